// Times as people say them. All are in milliseconds since 1970, by the daemon's or a platform's clock.

const UNITS = [[86_400, "d"], [3_600, "h"], [60, "min"]];

/** How long that is, in its largest whole unit. */
export function age(seconds) {
  for (const [length, unit] of UNITS) {
    if (seconds >= length) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return `${Math.max(0, Math.round(seconds))} s`;
}

export const ago = (time) => age((Date.now() - time) / 1000);

/** How late a message was, in milliseconds. */
export const late = (milliseconds) => (milliseconds < 1000 ? `${milliseconds} ms` : age(milliseconds / 1000));

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export const clock = (time) => written(CLOCK, time);
export const day = (time) => written(DAY, time);

function written(format, time) {
  try {
    return format.format(new Date(time));
  } catch {
    return String(time); // what a platform's clock says is not to be believed
  }
}
