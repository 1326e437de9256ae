// What every page has: the theme, the keys, and copying. Runs before the page is drawn, so that no other theme flashes.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => localStorage.getItem("dalsegno.theme") || "auto";
  const apply = () => {
    const theme = chosen() === "auto" ? (system.matches ? "dark" : "light") : chosen();
    root.dataset.theme = theme;
    root.dataset.chosen = chosen();
    if (window.Quasar && document.body) Quasar.Dark.set(theme === "dark");
    document.querySelectorAll("[data-theme-word]").forEach((each) => (each.title = `Theme: ${chosen()}`));
  };
  apply();
  system.addEventListener("change", apply);
  addEventListener("load", apply);

  const put = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  };
  document.addEventListener("click", async (event) => {
    const theme = event.target.closest?.("[data-theme-word]");
    if (theme) {
      const order = ["auto", "light", "dark"];
      localStorage.setItem("dalsegno.theme", order[(order.indexOf(chosen()) + 1) % 3]);
      apply();
    }
    const copy = event.target.closest?.("[data-copy]");
    if (!copy) return;
    event.preventDefault();
    event.stopPropagation();
    await put(copy.dataset.copy);
    copy.classList.add("done");
    setTimeout(() => copy.classList.remove("done"), 1200);
  }, true);

  const send = (name, detail) => window.dispatchEvent(new CustomEvent(`dalsegno:${name}`, { detail }));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = event.target;
    if (at.closest?.("input, textarea, select, [contenteditable], .jse-main")) {
      if (event.key === "Escape") at.blur();
      return;
    }
    if (document.querySelector(".q-dialog")) return;
    const key = event.key;
    if (key === "j" || key === "ArrowDown") send("move", 1);
    else if (key === "k" || key === "ArrowUp") send("move", -1);
    else if (key === "Enter") {
      if (at.closest?.("a, button")) return;
      send("open");
    } else {
      const found = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
      if (!found) return send("key", key);
      const field = found.matches("input") ? found : found.querySelector("input");
      if (field) field.focus();
      else found.click();
    }
    event.preventDefault();
  });
})();
