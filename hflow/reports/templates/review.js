const list = document.querySelector(".frames"), frames = [...list.children];
const store = "hflow review " + list.dataset.mark;
const tally = document.getElementById("tally"), download = document.getElementById("download");
const reasonOf = frame => frame.querySelector("input");
let at = 0, address = "";

const cell = text => /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;

function table() {
  const decided = frames.filter(frame => frame.dataset.verdict);
  const rows = decided.map(frame => [frame.dataset.split, frame.dataset.key, frame.dataset.image, frame.dataset.verdict,
    frame.dataset.verdict === "reject" ? reasonOf(frame).value.trim() : ""]);
  return [["split", "key", "image_sha256", "verdict", "reason"], ...rows].map(row => row.map(cell).join(",") + "\r\n").join("");
}

function count() {
  const kept = frames.filter(frame => frame.dataset.verdict === "keep").length;
  const rejected = frames.filter(frame => frame.dataset.verdict === "reject").length;
  tally.textContent = `${kept + rejected} of ${frames.length} judged: ${kept} kept, ${rejected} rejected`;
  URL.revokeObjectURL(address);
  address = kept + rejected ? URL.createObjectURL(new Blob([table()], {type: "text/csv"})) : "";
  download.href = address || "#how";
  download.setAttribute("aria-disabled", String(!address));
}

function keep() {
  const said = frames.map(frame => [frame.dataset.verdict || "", reasonOf(frame).value]);
  try { localStorage.setItem(store, JSON.stringify(said)); } catch { /* a browser that keeps nothing: the page still does */ }
}

function judge(frame, verdict) {
  if (verdict) frame.dataset.verdict = verdict; else delete frame.dataset.verdict;
  for (const button of frame.querySelectorAll("button"))
    button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
  reasonOf(frame).hidden = verdict !== "reject";
}

function decide(frame, verdict) {
  judge(frame, verdict);
  count();
  keep();
}

function show(index) {
  at = Math.min(Math.max(index, 0), frames.length - 1);
  for (const frame of list.querySelectorAll("[aria-current]")) frame.removeAttribute("aria-current");
  frames[at].setAttribute("aria-current", "true");
}

function go(index) {
  show(index);
  frames[at].focus({preventScroll: true});
  frames[at].scrollIntoView({block: "nearest"});
}

const keys = {
  k: () => { decide(frames[at], "keep"); go(at + 1); },
  r: () => { decide(frames[at], "reject"); reasonOf(frames[at]).focus(); },
  n: () => go(at + 1),
  p: () => go(at - 1),
  u: () => decide(frames[at], ""),
};

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.matches("input[type=text]")) {
    if (event.key === "Enter") go(at + 1);
    else if (event.key === "Escape") go(at);
    else return;
  } else if (document.getElementById("keys").checked && keys[event.key.toLowerCase()]) {
    keys[event.key.toLowerCase()]();
  } else return;
  event.preventDefault();
});

for (const [index, frame] of frames.entries()) {
  frame.addEventListener("focusin", () => show(index));
  frame.addEventListener("click", event => {
    show(index);
    const verdict = event.target.dataset.verdict;
    if (!verdict || event.target === frame) return;
    decide(frame, event.target.getAttribute("aria-pressed") === "true" ? "" : verdict);
    if (frame.dataset.verdict === "reject") reasonOf(frame).focus();
  });
  reasonOf(frame).addEventListener("input", () => { count(); keep(); });
}

try {
  for (const [index, [verdict, reason]] of JSON.parse(localStorage.getItem(store) || "[]").entries()) {
    reasonOf(frames[index]).value = reason;
    judge(frames[index], verdict);
  }
} catch { /* nothing kept, or nothing that can be read */ }
count();
go(Math.max(frames.findIndex(frame => !frame.dataset.verdict), 0));
