#!/bin/sh
# Boots systemd as process 1 of namespaces of its own, on this machine's files, of which nothing is changed.
# To be run by `unshare --mount --pid --uts --ipc --cgroup --fork`, in a cgroup of its own.
#   $1 a folder to work in, $2 the clone, $3 the Python that runs the tests (its prefix), $4 its packages
set -e
root=$1/root
mount --make-rprivate /
mkdir -p "$root"
mount -t tmpfs -o size=256m,mode=755 tmpfs "$1"
mkdir -p "$root" "$1/changed" "$1/work"
mount -t overlay -o "lowerdir=/,upperdir=$1/changed,workdir=$1/work" overlay "$root"

mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for each in null zero full random urandom tty; do
    mknod -m 666 "$root/dev/$each" c "$((0x$(stat -c %t "/dev/$each")))" "$((0x$(stat -c %T "/dev/$each")))"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
ln -s pts/ptmx "$root/dev/ptmx"

# what is in somebody's home is out of the unit's sight
for each in clone:$2 python:$3 packages:$4; do
    mkdir -p "$root/opt/nextbridge/${each%%:*}"
    mount --bind "${each#*:}" "$root/opt/nextbridge/${each%%:*}"
done

# of the machine's own services none is started
mount -t tmpfs -o mode=755 tmpfs "$root/etc/systemd/system"
for each in timers.target getty.target dbus.socket systemd-modules-load.service systemd-remount-fs.service \
    systemd-sysctl.service systemd-binfmt.service systemd-update-utmp.service systemd-udevd.service \
    systemd-udev-trigger.service systemd-journald-audit.socket systemd-firstboot.service dev-hugepages.mount \
    dev-mqueue.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount; do
    ln -s /dev/null "$root/etc/systemd/system/$each"
done
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' > "$root/etc/systemd/system/trial.target"
: > "$root/etc/fstab"
: > "$root/etc/machine-id"
hostname trial

mkdir -p "$root/before"
cd "$root"
pivot_root . before
umount -l /before
mount --make-rshared /
exec env -i container=trial PATH=/usr/sbin:/usr/bin:/sbin:/bin /usr/lib/systemd/systemd --system --unit=trial.target \
    --log-target=journal
