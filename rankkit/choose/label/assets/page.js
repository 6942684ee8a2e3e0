"use strict";
// One question at a time: the server says which, and an answer counts once it has said the next one.

const by = (id) => document.getElementById(id);
const NAMES = { 2: ["left", "right"], 3: ["first", "second", "third"], 4: ["first", "second", "third", "fourth"] };
const KEYS = { 2: ["←", "→"], 3: ["1", "2", "3"], 4: ["1", "2", "3", "4"] };
const COUNTS = { 2: "two", 3: "three", 4: "four" };

let state = null;  // what the server said last
let since = null;  // when all images were there; null while nothing can be answered
let large = 0;     // the image that the dialog shows

async function ask(path, body) {
  const post = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(path, body === undefined ? {} : post);
  } catch {
    throw new Error("rankkit label does not answer. Give the same command again and open the address it says; "
      + "every answer that was followed by a new question is kept.");
  }
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}

function notice(text) {
  by("notice").textContent = text;
  by("notice").hidden = !text;
}

function percent(share) {
  return Math.round(100 * share) + " %";
}

function describe() {
  const { question, questions, prompts, prompts_settled, settled_here, done, lost } = state;
  const text = question ? question.prompt : "No two images are left that can be shown.";
  by("prompt").textContent = text || "Images without a prompt";
  by("prompt").className = text ? "" : "none";
  const parts = [`${questions} ${questions === 1 ? "answer" : "answers"}`];
  if (question) parts.push(`this prompt ${percent(settled_here)} settled`);
  parts.push(`${prompts_settled} of ${prompts} ${prompts === 1 ? "prompt" : "prompts"} settled`);
  if (lost) parts.push(`${lost} ${lost === 1 ? "image" : "images"} cannot be read and left out`);
  by("progress").textContent = parts.join(" · ");
  by("bar").value = settled_here;
  notice(done ? "Every prompt is settled: you can stop here and close this page. More answers change little." : "");
}

function button(image, place, count) {
  const made = document.createElement("button"), key = document.createElement("kbd");
  image.alt = `The ${NAMES[count][place]} image`;
  key.textContent = KEYS[count][place];
  made.append(image, key);
  made.setAttribute("aria-label", `Choose the ${NAMES[count][place]} image`);
  made.addEventListener("click", () => answer(place));
  return made;
}

async function show(next) {
  state = next;
  const asked = state.question;
  const images = (asked ? asked.images : []).map((source) => Object.assign(new Image(), { src: source }));
  try {
    await Promise.all(images.map((image) => image.decode()));
  } catch {
    throw new Error("An image did not arrive: reload this page. No answer is lost.");
  }
  if (by("large").open) by("large").close();
  describe();
  by("images").className = COUNTS[images.length] || "";
  const focused = [...by("images").children].indexOf(document.activeElement);
  by("images").replaceChildren(...images.map((image, place) => button(image, place, images.length)));
  by("images").children[focused]?.focus();
  since = asked ? performance.now() : null;
  enable();
}

function enable() {
  for (const id of ["tie", "skip", "zoom"]) by(id).disabled = since === null;
  by("undo").disabled = !state || !state.questions;
}

// Send something and show what comes next; whatever fails is said, and can be tried again.
async function send(path, body, said) {
  const before = since;
  since = null;
  try {
    const next = await ask(path, body);
    await show(next);
    if (next.late) said = "That pair was answered already; this is the one that waits.";
    if (next.undone === false) said = "There is nothing to undo.";
    by("said").textContent = said;
  } catch (error) {
    since = before;
    notice(error.message);
  }
}

function answer(choice) {
  if (since === null) return;
  const words = { tie: "Equally good.", skip: "Skipped." };
  const said = words[choice] || `You chose the ${NAMES[state.question.images.length][choice]} image.`;
  const seconds = (performance.now() - since) / 1000;
  send("answer", { question: state.question.id, choice, seconds }, `${said} The next images are here.`);
}

function undo() {
  if (since !== null || (state && !state.question)) send("undo", {}, "Your last answer is undone; here is that question again.");
}

// One image in the middle of the page; z puts the next one in the very same place.
function flip() {
  if (since === null) return;
  const shown = by("images").querySelectorAll("img");
  large = by("large").open ? (large + 1) % shown.length : 0;
  const image = by("large").querySelector("img");
  image.src = shown[large].src;
  image.alt = shown[large].alt;
  by("which").textContent = shown[large].alt;
  if (!by("large").open) by("large").showModal();
}

function chosen(key) {
  const count = state && state.question ? state.question.images.length : 0;
  if (count === 2 && key === "ArrowLeft") return 0;
  if (count === 2 && key === "ArrowRight") return 1;
  const number = Number(key) - 1;
  return key.trim() && number >= 0 && number < count && Number.isInteger(number) ? number : null;
}

document.addEventListener("keydown", (event) => {
  const back = event.key === "ArrowUp" || ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z");
  if (event.altKey || event.repeat || ((event.ctrlKey || event.metaKey) && !back)) return;
  const place = chosen(event.key);
  // Space presses the button that has the focus
  const pressed = event.key === " " && document.activeElement instanceof HTMLButtonElement;
  if (back) undo();
  else if (place !== null) answer(place);
  else if (event.key === "ArrowDown") answer("tie");
  else if (event.key === " " && !pressed) answer("skip");
  else if (event.key.toLowerCase() === "z") flip();
  else return;
  event.preventDefault();
});

// A button that was pressed by pointer does not keep the focus, so that Space goes on to mean "skip".
document.addEventListener("click", (event) => {
  if (event.detail > 0 && document.activeElement instanceof HTMLElement) document.activeElement.blur();
});

by("tie").addEventListener("click", () => answer("tie"));
by("skip").addEventListener("click", () => answer("skip"));
by("undo").addEventListener("click", undo);
by("zoom").addEventListener("click", flip);
by("flip").addEventListener("click", flip);
by("large").querySelector("img").addEventListener("click", flip);
by("close").addEventListener("click", () => by("large").close());

(async () => {
  try {
    await show(await ask("state"));
  } catch (error) {
    notice(error.message);
  }
})();
