// A post's text as nodes: the inline marks that chat uses. What a user wrote only ever becomes text.

const MARKS = new RegExp(
  [
    String.raw`\\(?<escaped>[!-/:-@[-\x60{-~])`,
    String.raw`(?<ticks>\x60+)(?<code>.+?)\k<ticks>(?!\x60)`,
    String.raw`\*\*(?<strong>(?:\\.|[^\\])+?)\*\*`,
    String.raw`~~(?<struck>(?:\\.|[^\\])+?)~~`,
    String.raw`\*(?<em>(?:\\.|[^\\*\s])(?:(?:\\.|[^\\*])*?(?:\\.|[^\\*\s]))?)\*`,
    String.raw`(?<![A-Za-z0-9_])_(?<under>(?:\\.|[^\\_])+?)_(?![A-Za-z0-9_])`,
    String.raw`\[(?<label>(?:\\.|[^\]\\])+)\]\((?<target>https?://[^\s)]+)\)`,
    String.raw`(?<bare>https?://[^\s<>]*[^\s<>.,;:!?)\]'"*_])`,
  ].join("|"),
  "gsu",
);

/** The nodes of a text. */
export function nodes(text) {
  const found = [];
  let at = 0;
  for (const match of text.matchAll(MARKS)) {
    if (match.index > at) found.push(text.slice(at, match.index));
    found.push(marked(match.groups));
    at = match.index + match[0].length;
  }
  if (at < text.length) found.push(text.slice(at));
  return found;
}

function marked(groups) {
  if (groups.escaped !== undefined) return groups.escaped;
  if (groups.code !== undefined) return element("code", [groups.code.trim() || groups.code]);
  if (groups.strong !== undefined) return element("strong", nodes(groups.strong));
  if (groups.struck !== undefined) return element("s", nodes(groups.struck));
  if (groups.em !== undefined) return element("em", nodes(groups.em));
  if (groups.under !== undefined) return element("em", nodes(groups.under));
  if (groups.target !== undefined) return link(groups.target, nodes(groups.label));
  return link(groups.bare, [groups.bare]);
}

function element(name, children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

function link(address, children) {
  const made = element("a", children);
  made.href = address;
  made.target = "_blank";
  made.rel = "noopener noreferrer";
  return made;
}
