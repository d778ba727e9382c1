"""Encrypted rooms: what is said there is read and written on one device, whose keys are in the state folder.

The keys of devices and rooms (Olm and Megolm) are the affair of matrix-nio, on vodozemac: it is the kept library for
them. It does no I/O but that of its own file: what is asked of the homeserver, and when, is the driver's.
"""

from drivers.matrix.encryption.rooms import RoomEncryption

__all__ = ["RoomEncryption"]
