for (const input of document.querySelectorAll(".compare input")) {
  const show = () => {
    input.parentElement.style.setProperty(input.dataset.sets ?? "--at", input.value + "%");
    input.setAttribute("aria-valuetext", input.value + "% " + input.dataset.of);
  };
  input.addEventListener("input", show);
  show();
}
