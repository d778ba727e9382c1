// The picture: a column for each instance with its channels, lines for the rules, and what crosses along them.

import { element, find, given, renew, show } from "./elements.js";

const SVG = "http://www.w3.org/2000/svg";
const HUES = 8; // as many as the style sheet has colours
const MOST_WIRES = 400;
const ROUNDS = 6;
const MOST_DOTS = 40;
const TRAVELS = 900; // milliseconds
const QUIET = matchMedia("(prefers-reduced-motion: reduce)");

const nodes = new Map(); // by channel, or by what stands for a rule where its line passes a column
const lines = []; // { hue, by: the nodes that it goes through, arrow }
let dots = 0;
let planned = "";

new ResizeObserver(draw).observe(find("plan"));

/** Show what the rules join; `order` has the instances' names. What is shown already is left as it is. */
export function plan(rules, order) {
  const now = JSON.stringify([rules, order]);
  if (now === planned) return;
  planned = now;
  const ends = new Map(rules.flatMap((rule) => [...rule.sources, ...rule.targets]).map((end) => [end.channel, end]));
  show(find("map-empty"), ends.size === 0);
  show(find("map"), ends.size > 0);
  const names = new Set([...order, ...[...ends.values()].map((each) => each.instance)]);
  const columns = [...names]
    .map((name) => ({ name, stops: [...ends.values()].filter((each) => each.instance === name).map(stop) }))
    .filter((column) => column.stops.length > 0);
  const ways = rules.flatMap((rule, place) => wires(rule, place % HUES, columns)).slice(0, MOST_WIRES);
  arrange(columns, ways);
  const joins = sentences(rules);
  for (const stop of columns.flatMap((each) => each.stops)) stop.joins = joins.get(stop.key) ?? "";
  renew(find("columns"), columns, (each) => each.name, column, (made, { name, stops }) => {
    made.querySelector("h3").replaceChildren(given(name));
    renew(made.querySelector("ul"), stops, (each) => each.key, station, fill);
  });
  nodes.clear();
  for (const each of document.querySelectorAll("#columns li")) nodes.set(each.dataset.key, each);
  lines.splice(0, lines.length, ...ways);
  renew(find("legend"), rules, (each) => each.rule, () => element("li"), (item, rule) => {
    item.dataset.hue = rules.indexOf(rule) % HUES;
    const way = rule.kind === "connect" ? " both ways" : " one way";
    item.replaceChildren(given(rule.rule), element("span", { class: "faint" }, way));
  });
  draw();
}

/** Something has crossed, or has not. */
export function cross(crossed) {
  const [from, to] = [nodes.get(crossed.source), nodes.get(crossed.target)];
  if (from === undefined || to === undefined) return;
  for (const node of [from, to]) flash(node, crossed.outcome);
  if (QUIET.matches || document.hidden || dots >= MOST_DOTS) return;
  const path = drawn("path", { d: through([from, to]) });
  const dot = drawn("circle", { class: "dot", r: 4, "data-outcome": crossed.outcome });
  const length = path.getTotalLength();
  const begun = performance.now();
  dots += 1;
  find("wires").append(dot);
  const step = (now) => {
    const share = Math.min(1, Math.max(0, (now - begun) / TRAVELS));
    const { x, y } = path.getPointAtLength(length * share);
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", y);
    if (share < 1) return requestAnimationFrame(step);
    dot.remove();
    dots -= 1;
  };
  requestAnimationFrame(step);
}

const stop = (end) => ({ key: end.channel, name: end.name });

const column = () => element("section", { class: "column" }, element("h3"), element("ul"));

/** A channel, or the room for a line that only passes. */
const station = ({ name }) =>
  name === undefined ? element("li", { class: "passed", "aria-hidden": "true" }) : element("li", { class: "station" });

function fill(item, { key, name, joins }) {
  if (name === undefined) return;
  item.title = key;
  item.replaceChildren(given(name, { class: "label" }), element("span", { class: "unseen" }, joins));
}

function flash(node, outcome) {
  node.dataset.outcome = outcome;
  clearTimeout(node.flashing);
  node.flashing = setTimeout(() => delete node.dataset.outcome, TRAVELS);
}

/** What a screen reader says of a channel: whom each rule joins it to. */
function sentences(rules) {
  const said = new Map();
  const add = (end, sentence) => said.set(end.channel, `${said.get(end.channel) ?? ""}; ${sentence}`);
  for (const { rule, kind, sources, targets } of rules) {
    const named = (ends, but) =>
      ends.filter((each) => each.channel !== but.channel).map((each) => `${each.name} (${each.instance})`).join(", ");
    for (const end of sources) {
      add(end, kind === "connect" ? `joined by ${rule} to ${named(targets, end)}` : `goes by ${rule} to ${named(targets, end)}`);
    }
    if (kind === "forward") for (const end of targets) add(end, `hears by ${rule} from ${named(sources, end)}`);
  }
  return said;
}

/**
 * A rule's lines: one through all its channels where it joins them both ways, else from each to each. Where a line
 * passes a column in which it has no channel, it gets room there, so that it does not seem to join what it passes.
 */
function wires({ rule, kind, sources, targets }, hue, columns) {
  const column = (key) => columns.findIndex((each) => each.stops.some((stop) => stop.key === key));
  const passed = (place) => {
    const key = `passed ${place} ${rule}`;
    const { stops } = columns[place];
    if (!stops.some((each) => each.key === key)) stops.push({ key });
    return key;
  };
  const between = (from, to) => {
    const [one, other] = [column(from), column(to)];
    const step = Math.sign(other - one);
    const on = [];
    for (let place = one + step; step !== 0 && place !== other; place += step) on.push(passed(place));
    return on;
  };
  if (kind === "connect") {
    const members = [...new Set(sources.map((each) => each.channel))].sort((one, other) => column(one) - column(other));
    return members
      .slice(1)
      .map((to, place) => ({ hue, by: [members[place], ...between(members[place], to), to], arrow: false }));
  }
  return sources.flatMap((from) =>
    targets
      .filter((to) => to.channel !== from.channel)
      .map((to) => ({ hue, by: [from.channel, ...between(from.channel, to.channel), to.channel], arrow: true })),
  );
}

/** Put what stands in each column near what it is joined to in the others. */
function arrange(columns, ways) {
  const joined = new Map();
  for (const { by } of ways) {
    by.slice(1).forEach((to, place) => {
      for (const [one, other] of [[by[place], to], [to, by[place]]]) joined.set(one, [...(joined.get(one) ?? []), other]);
    });
  }
  const at = new Map();
  const note = ({ stops }) => stops.forEach((each, place) => at.set(each.key, (place + 0.5) / stops.length));
  columns.forEach(note);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const each of round % 2 ? columns.toReversed() : columns) {
      const wanted = (stop) => {
        const near = (joined.get(stop.key) ?? []).map((key) => at.get(key));
        return near.length ? near.reduce((sum, one) => sum + one, 0) / near.length : at.get(stop.key);
      };
      const places = new Map(each.stops.map((stop) => [stop, wanted(stop)]));
      each.stops.sort((one, other) => places.get(one) - places.get(other));
      note(each);
    }
  }
}

function draw() {
  const wires = find("wires");
  const box = find("plan").getBoundingClientRect();
  wires.setAttribute("width", box.width);
  wires.setAttribute("height", box.height);
  for (const old of wires.querySelectorAll(".wire")) old.remove();
  // all places first, and then all lines: in turn, each line would have the page laid out anew
  const ways = lines.map((line) => ({ ...line, d: through(line.by.map((key) => nodes.get(key))) }));
  for (const { hue, d, arrow } of ways) {
    const line = drawn("path", { class: "wire", d, "data-hue": hue });
    wires.prepend(line);
    if (arrow) wires.append(head(line, hue));
  }
}

/** The way through these elements: from side to side, or round where two of them are in one column. */
function through(stops) {
  const plane = find("plan").getBoundingClientRect();
  const boxes = stops.map((each) => each.getBoundingClientRect());
  const height = (box) => box.top + box.height / 2 - plane.top;
  return boxes.slice(1).map((b, place) => {
    const a = boxes[place];
    const [ay, by] = [height(a), height(b)];
    if (Math.abs(a.left - b.left) < 1) {
      const x = a.right - plane.left;
      return `M ${x} ${ay} C ${x + 44} ${ay} ${x + 44} ${by} ${x} ${by}`;
    }
    const [ax, bx] = a.left < b.left ? [a.right - plane.left, b.left - plane.left] : [a.left - plane.left, b.right - plane.left];
    const middle = (ax + bx) / 2;
    const over = place > 0 ? ` L ${ax} ${ay}` : `M ${ax} ${ay}`; // straight through a column that is passed
    return `${over} C ${middle} ${ay} ${middle} ${by} ${bx} ${by}`;
  }).join("");
}

/** An arrow's head where a line ends. */
function head(line, hue) {
  const length = line.getTotalLength();
  const [tip, behind] = [line.getPointAtLength(length), line.getPointAtLength(Math.max(0, length - 8))];
  const turn = (Math.atan2(tip.y - behind.y, tip.x - behind.x) * 180) / Math.PI;
  return drawn("path", { class: "wire head", d: "M 0 0 L -9 -5 L -9 5 Z", "data-hue": hue, transform: `translate(${tip.x} ${tip.y}) rotate(${turn})` });
}

function drawn(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
