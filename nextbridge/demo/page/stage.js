// Puts the sides of the bridge beside each other.
const main = document.getElementById("frames");
const answer = await fetch("frames");
for (const { title, address } of await answer.json()) {
  const section = document.createElement("section");
  const heading = document.createElement("h2");
  heading.textContent = title;
  const frame = document.createElement("iframe");
  frame.title = title;
  frame.src = address;
  section.append(heading, frame);
  main.append(section);
}
