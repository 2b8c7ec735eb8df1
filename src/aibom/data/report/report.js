"use strict";
(() => {
  const fold = (text) => text.toLowerCase();

  // Findings: severity, rule, free text.
  const controls = document.querySelector("form[data-controls]");
  if (controls) {
    const findings = [...document.querySelectorAll("article.finding")].map((node) => ({ node, text: fold(node.textContent) }));
    const apply = () => {
      const data = new FormData(controls);
      const severities = new Set(data.getAll("severity"));
      const rule = data.get("rule");
      const words = fold(data.get("text")).split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const { node, text } of findings) {
        const keep =
          severities.has(node.dataset.severity) &&
          (!rule || node.dataset.rule === rule) &&
          words.every((word) => text.includes(word));
        node.hidden = !keep;
        shown += keep;
      }
      controls.querySelector("output").textContent = shown === findings.length ? "" : `${shown} of ${findings.length}`;
    };
    controls.addEventListener("input", apply);
    controls.addEventListener("submit", (event) => event.preventDefault());
    controls.hidden = false;
    apply();
  }

  // Files: free text, coverage; a click on a heading sorts.
  const search = document.querySelector("form[data-files]");
  const table = document.querySelector("table.files");
  if (search && table) {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((node) => ({ node, text: fold(node.textContent) }));
    const apply = () => {
      const data = new FormData(search);
      const coverage = data.get("coverage");
      const words = fold(data.get("text")).split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const { node, text } of rows) {
        const keep = (!coverage || node.dataset.coverage === coverage) && words.every((word) => text.includes(word));
        node.hidden = !keep;
        shown += keep;
      }
      search.querySelector("output").textContent = shown === rows.length ? "" : `${shown} of ${rows.length}`;
    };
    search.addEventListener("input", apply);
    search.addEventListener("submit", (event) => event.preventDefault());
    search.hidden = false;
    apply();

    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => {
          const cell = row.node.cells[column];
          return cell.dataset.sort === undefined ? fold(cell.textContent) : Number(cell.dataset.sort);
        };
        const order = (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0);
        rows.sort((a, b) => (down ? order(b, a) : order(a, b)));
        body.append(...rows.map((row) => row.node));
      });
    });
  }
})();
