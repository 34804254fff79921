for (const input of document.querySelectorAll(".compare input")) {
  const show = () => {
    input.parentElement.style.setProperty(input.dataset.sets ?? "--at", input.value + "%");
    input.setAttribute("aria-valuetext", input.value + "% " + input.dataset.of);
  };
  input.addEventListener("input", show);
  show();
}
for (const pictures of document.querySelectorAll(".three")) {
  const inputs = [...pictures.querySelectorAll("input")];
  let held = null;
  const place = (event) => {
    const box = pictures.getBoundingClientRect();
    return (100 * (event.clientX - box.left)) / box.width;
  };
  const move = (event) => {
    if (!held) return;
    held.value = place(event);
    held.dispatchEvent(new Event("input"));
  };
  pictures.addEventListener("pointerdown", (event) => {
    const far = (input) => Math.abs(input.value - place(event));
    held = inputs.reduce((one, other) => (far(other) < far(one) ? other : one));
    pictures.setPointerCapture(event.pointerId);
    move(event);
  });
  pictures.addEventListener("pointermove", move);
  for (const end of ["pointerup", "pointercancel"]) pictures.addEventListener(end, () => (held = null));
}
