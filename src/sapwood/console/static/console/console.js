/* What the keyboard adds. Everything here is a short cut: each page works without it.
   data-key="a"       pressing "a" does what a press on this element does (never while somebody writes)
   data-row           "j" and "k" move from one of these to the next and back
   data-opens="id"    opens the <dialog id="id">;  data-closes closes the one it stands in
                      (on a link: without script the link leads to a page that asks the same)
   data-confirm="id"  on a form: sends it only once that dialog was closed with the value "yes"
   A form that changes something shows that it was sent, and is sent once.
   "?"                lists the keys of the page */
(() => {
  "use strict";

  const WRITING = "input:not([type=checkbox], [type=radio], [type=button], [type=submit]), textarea, select, [contenteditable]";
  const all = (selector) => [...document.querySelectorAll(selector)];
  const visible = (element) => element.checkVisibility({ visibilityProperty: true });
  const keyed = () => all("[data-key]").filter(visible);

  const words = (element) => {
    if (element.dataset.keyWords) return element.dataset.keyWords;
    const copy = element.cloneNode(true);
    copy.querySelectorAll("kbd").forEach((hint) => hint.remove());
    return copy.textContent.trim() || element.getAttribute("aria-label") || "";
  };

  const act = (element) => {
    if (element.matches("input[type=checkbox], input[type=radio], a, button, summary, input[type=submit]")) element.click();
    element.focus();
  };

  const move = (step) => {
    const rows = all("[data-row]").filter(visible);
    if (!rows.length) return;
    const here = rows.findIndex((row) => row.contains(document.activeElement));
    const next = rows[Math.max(0, Math.min(rows.length - 1, here < 0 ? 0 : here + step))];
    const target = next.querySelector("a[href], button") ?? next;
    if (target === next) next.tabIndex = -1;
    target.focus();
    next.scrollIntoView({ block: "nearest" });
  };

  const open = (id) => {
    const dialog = document.getElementById(id);
    if (!(dialog instanceof HTMLDialogElement) || dialog.open) return;
    if (id === "shortcuts") fill(dialog.querySelector("[data-shortcuts]"));
    dialog.showModal();
  };

  const fill = (list) => {
    const lines = keyed().map((element) => [element.dataset.key, words(element)]);
    if (all("[data-row]").length) lines.push(["j", list.dataset.wordsNext], ["k", list.dataset.wordsPrevious]);
    lines.push(["?", list.dataset.wordsHelp]);
    list.replaceChildren(...lines.flatMap(([key, text]) => {
      const term = document.createElement("dt");
      const hint = document.createElement("kbd");
      const told = document.createElement("dd");
      hint.className = "key";
      hint.textContent = key;
      told.textContent = text;
      term.append(hint);
      return [term, told];
    }));
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (event.target.closest?.(WRITING) || document.querySelector("dialog[open]")) return;
    const element = keyed().find((candidate) => candidate.dataset.key === event.key);
    if (element) act(element);
    else if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "?") open("shortcuts");
    else return;
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest?.("[data-opens]");
    if (opener) {
      open(opener.dataset.opens);
      event.preventDefault();
    }
    const closer = event.target.closest?.("[data-closes]");
    if (closer) closer.closest("dialog")?.close();
    all("details.drop[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.activeElement?.closest?.("details.drop[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const dialog = document.getElementById(form.dataset.confirm ?? "");
    if (!(dialog instanceof HTMLDialogElement) || form.dataset.confirmed) return;
    const button = event.submitter;
    event.preventDefault();
    event.stopImmediatePropagation();
    dialog.returnValue = "";
    dialog.showModal();
    dialog.addEventListener("close", () => {
      if (dialog.returnValue !== "yes") return;
      form.dataset.confirmed = "yes";
      form.requestSubmit(button);
      delete form.dataset.confirmed;
    }, { once: true });
  }, { capture: true });

  /* The answer replaces the page. Where it is a file, or comes back from the browser's memory, the form is free again. */
  const FREE_AGAIN_MS = 20000;
  const release = (form) => {
    delete form.dataset.sent;
    form.querySelectorAll("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy"));
    all("[data-busy]").forEach((words) => { words.textContent = ""; });
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.getAttribute("method")?.toLowerCase() !== "post") return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    event.submitter?.setAttribute("aria-busy", "true");
    all("[data-busy]").forEach((words) => { words.textContent = words.dataset.busy; });
    setTimeout(release, FREE_AGAIN_MS, form);
  });

  window.addEventListener("pageshow", (event) => { if (event.persisted) all("form[data-sent]").forEach(release); });

  all("[data-opens][hidden]").forEach((opener) => { opener.hidden = false; });
})();
