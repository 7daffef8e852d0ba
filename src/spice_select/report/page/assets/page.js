"use strict";
(() => {
  const ROWS = 25;

  // Figures: drawn one after the other, so that the page can be read meanwhile. Expressions are interpreted, not run.
  const options = {
    actions: false, ast: true, defaultStyle: false, renderer: "svg", mode: "vega-lite",
    tooltip: { disableDefaultStyle: true },
  };
  async function draw() {
    for (const plot of document.querySelectorAll(".plot")) {
      try {
        await vegaEmbed(plot, JSON.parse(plot.nextElementSibling.textContent), options);
      } catch (error) {
        plot.textContent = "This figure could not be drawn; the words above say what it shows.";
        console.error(error);
      }
      await new Promise((done) => setTimeout(done));
    }
    document.documentElement.dataset.drawn = "yes";
  }

  // Long tables: searched, sorted, a page at a time. Without this script all of their rows are shown.
  function live(grid) {
    const body = grid.querySelector("tbody");
    const rows = [...body.rows].map((row) => ({ row, words: row.textContent.toLowerCase() }));
    const search = grid.querySelector("input"), status = grid.querySelector("[role=status]");
    const before = grid.querySelector(".before"), after = grid.querySelector(".after");
    let found = rows, start = 0;

    function show() {
      const end = Math.min(start + ROWS, found.length);
      const shown = new Set(found.slice(start, end));
      for (const one of rows) one.row.hidden = !shown.has(one);
      before.disabled = start === 0;
      after.disabled = end >= found.length;
      const range = found.length ? `${(start + 1).toLocaleString("en")}–${end.toLocaleString("en")} of ` : "";
      const all = found.length === rows.length ? "" : ` found among ${rows.length.toLocaleString("en")}`;
      status.textContent = `${range}${found.length.toLocaleString("en")} rows${all}`;
    }
    function seek() {
      const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      found = rows.filter((one) => wanted.every((word) => one.words.includes(word)));
      start = 0;
      show();
    }
    function turn(by) {
      start = Math.max(0, start + by);
      show();
    }
    const collator = new Intl.Collator("en", { numeric: true });
    function sort(place, header) {
      const up = header.getAttribute("aria-sort") !== "ascending";
      for (const other of grid.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (one) => one.row.cells[place].dataset.key;
      const text = (one) => one.row.cells[place].textContent;
      rows.sort((a, b) => {
        const left = key(a), right = key(b);
        if (left === undefined && right === undefined) return (up ? 1 : -1) * collator.compare(text(a), text(b));
        if (left === undefined || right === undefined) return left === undefined ? 1 : -1;
        return (up ? 1 : -1) * (Number(left) - Number(right));
      });
      body.append(...rows.map((one) => one.row));
      seek();
    }
    grid.querySelectorAll("thead th").forEach((header, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = header.textContent;
      button.addEventListener("click", () => sort(place, header));
      header.replaceChildren(button);
    });
    search.addEventListener("input", seek);
    before.addEventListener("click", () => turn(-ROWS));
    after.addEventListener("click", () => turn(ROWS));
    grid.querySelector(".controls").hidden = false;
    show();
    grid.classList.add("ready");
  }

  // Commands: copied by a button, where the browser allows it.
  function copyable(button) {
    const text = button.previousElementSibling;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(text);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  document.querySelectorAll(".grid.live").forEach(live);
  document.querySelectorAll("button.copy").forEach(copyable);
  draw();
})();
