// Keys and small comforts. Every page works without this file.
"use strict";
(() => {
  const typing = (node) => node.matches("input, select, textarea, [contenteditable]");
  const keys = () => document.getElementById("keys");
  const rows = () => [...document.querySelectorAll("#results tbody tr[tabindex]")];

  const step = (by) => {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(document.activeElement.closest("tr"));
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by));
    all[next].focus();
  };

  const actions = {
    "/": () => { const box = document.querySelector("[data-question]"); if (box) { box.focus(); box.select(); } },
    "j": () => step(1),
    "k": () => step(-1),
    "?": () => keys().showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape" && typing(event.target)) { event.target.blur(); return; }
    if (typing(event.target) || keys().open) return;
    if (event.key === "Enter" && event.target.matches("tr[tabindex]")) { showRow(event.target); return; }
    const act = actions[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  // A row's details: all its values, one under the other.
  const showRow = (row) => {
    const heads = [...row.closest("table").tHead.rows[0].cells].map((cell) => cell.textContent.trim());
    const dialog = document.getElementById("row");
    const list = dialog.querySelector("dl");
    list.replaceChildren();
    [...row.cells].forEach((cell, i) => {
      if (!cell.textContent.trim()) return;
      const name = document.createElement("dt"), value = document.createElement("dd");
      name.textContent = heads[i];
      value.append(...[...cell.cloneNode(true).childNodes]);
      list.append(name, value);
    });
    dialog.showModal();
  };
  document.addEventListener("dblclick", (event) => {
    const row = event.target.closest("#results tr[tabindex]");
    if (row) showRow(row);
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys]")) keys().showModal();
    const copy = event.target.closest("[data-copy]");
    if (copy && navigator.clipboard) {
      navigator.clipboard.writeText(new URL(copy.href, location.href).href);
      copy.setAttribute("data-copied", "");
    }
  });

  // Lines for the settings: copied, or selected where the browser does not let a page copy.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copies]");
    if (!button) return;
    const lines = document.getElementById(button.dataset.copies);
    const select = () => { getSelection().selectAllChildren(lines); lines.focus(); };
    const told = () => { button.parentElement.querySelector("[role=status]").textContent = button.dataset.done; };
    if (navigator.clipboard) navigator.clipboard.writeText(`${lines.textContent}\n`).then(told, select);
    else select();
  });

  // Times of one's own choosing and a quick range exclude one another.
  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (!form || form.id !== "ask") return;
    if (event.target.name === "range" && event.target.value) {
      form.elements.from.value = form.elements.to.value = "";
    } else if (["from", "to"].includes(event.target.name) && event.target.value) {
      form.elements.range.value = "";
    }
  });

  // What cannot be undone by a click is not done by one.
  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });

  // On a small screen the answer is below the form: go there.
  document.addEventListener("htmx:afterSwap", (event) => {
    const target = event.detail.target;
    if (target.id === "results" && target.getBoundingClientRect().top > innerHeight * 0.8) target.scrollIntoView();
  });

  document.addEventListener("htmx:sendError", () => {
    const results = document.getElementById("results");
    if (results) results.textContent = results.dataset.unreachable;
  });
})();
