// The page is complete without this: it adds filtering, sorting, keys, enlarged images, and the slider over moments.
(() => {
  "use strict";
  const all = (query, within = document) => [...within.querySelectorAll(query)];
  const groups = all(".group");
  const container = document.querySelector(".groups");
  const visible = () => (container ? [...container.children].filter((group) => !group.hidden) : []);
  const filter = document.getElementById("filter");
  const found = document.getElementById("found");
  const lightbox = document.getElementById("lightbox");
  const stage = lightbox.querySelector(".stage");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let here = null;
  let shown = null;

  all(".filter, .sorts, .keys").forEach((element) => { element.hidden = false; });

  // Filter: every word must occur in the prompt or in a candidate's name.
  const searchable = new Map();
  const textOf = (group) => {
    if (!searchable.has(group)) {
      const names = all(".candidate", group).map((candidate) => candidate.dataset.name);
      searchable.set(group, [group.querySelector(".prompt").textContent, ...names].join(" ").toLowerCase());
    }
    return searchable.get(group);
  };
  const narrow = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    groups.forEach((group) => { group.hidden = !words.every((word) => textOf(group).includes(word)); });
    found.textContent = words.length ? `${visible().length} of ${groups.length} prompts match` : "";
  };
  filter?.addEventListener("input", narrow);
  // A browser that one comes back with brings the words of before and tells no one.
  if (filter) addEventListener("pageshow", narrow);

  // Sort the candidates of one prompt by a ranker's rank, by all of them, or by name.
  const sort = (group, key) => {
    const numeric = key !== "name";
    const value = (candidate) => (numeric ? Number(candidate.dataset[key] ?? Infinity) : candidate.dataset.name);
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      const order = numeric ? (x === y ? 0 : x < y ? -1 : 1) : x.localeCompare(y, undefined, { numeric: true });
      return order || a.dataset.order - b.dataset.order;
    };
    all(".grid", group).forEach((grid) => grid.append(...[...grid.children].sort(compare)));
    all(".sorts button", group).forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.sort === key)));
  };
  all(".group .sorts button").forEach((button) => button.addEventListener("click", () => sort(button.closest(".group"), button.dataset.sort)));

  // Order the prompts; a prompt without the number comes last.
  all(".orders button").forEach((button) => button.addEventListener("click", () => {
    const value = (group) => Number(group.dataset[button.dataset.order] ?? Infinity);
    container.append(...[...groups].sort((a, b) => (value(a) === value(b) ? a.dataset.n - b.dataset.n : value(a) - value(b))));
    all(".orders button").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
  }));

  // Go from prompt to prompt.
  const select = (group) => {
    here?.classList.remove("here");
    here = group;
    group.classList.add("here");
    group.focus({ preventScroll: true });
    group.scrollIntoView({ block: "start", behavior: calm.matches ? "auto" : "smooth" });
  };
  const step = (by) => {
    const open = visible();
    if (!open.length) return;
    const focused = document.activeElement.closest?.(".group");
    const at = open.indexOf(focused ?? here);
    if (at >= 0) return select(open[Math.min(open.length - 1, Math.max(0, at + by))]);
    const next = open.findIndex((group) => group.getBoundingClientRect().top > 0);
    select(open[next < 0 ? open.length - 1 : by > 0 ? next : Math.max(0, next - 1)]);
  };

  // Enlarge: the image and its scores, copied as they stand.
  const frames = all(".pic").filter((frame) => frame.querySelector("img"));
  frames.forEach((frame) => {
    frame.tabIndex = 0;
    frame.setAttribute("role", "button");
    frame.setAttribute("aria-label", `Enlarge ${frame.firstChild.alt}`);
    frame.addEventListener("click", () => enlarge(frame));
  });
  const enlarge = (frame) => {
    shown = frame;
    const image = frame.firstChild.cloneNode();
    const words = document.createElement("div");
    words.append(...[...frame.parentElement.querySelector("figcaption").children].map((child) => child.cloneNode(true)));
    all("details", words).forEach((details) => { details.open = true; });
    stage.replaceChildren(image, words);
    if (!lightbox.open) lightbox.showModal();
  };
  const turn = (by) => {
    const open = all(".pic[role=button]", shown.closest(".group, .subject")).filter((frame) => frame.offsetParent);
    enlarge(open[(open.indexOf(shown) + by + open.length) % open.length]);
  };
  lightbox.addEventListener("click", (event) => {
    if (event.target === lightbox || event.target.closest(".close")) lightbox.close();
  });
  lightbox.addEventListener("close", () => { stage.replaceChildren(); shown?.focus(); });

  // Images at several moments: a slider says which stands beside the first.
  all(".series").forEach((series) => {
    const threads = all(".moments", series).map((thread) => [...thread.children]);
    const names = (threads[0] ?? []).map((figure) => figure.querySelector(".name").textContent);
    if (names.length < 3) return;
    const slider = Object.assign(document.createElement("input"), { type: "range", min: 1, max: names.length - 1 });
    const label = document.createElement("label");
    const now = document.createElement("output");
    const choose = () => {
      now.textContent = names[slider.value];
      slider.setAttribute("aria-valuetext", names[slider.value]);
      threads.forEach((figures) => figures.forEach((figure, at) => figure.classList.toggle("now", at === +slider.value)));
    };
    slider.value = names.length - 1;
    slider.setAttribute("aria-label", `Which stands beside ${names[0]}`);
    slider.addEventListener("input", choose);
    label.className = "slide";
    label.append(`${names[0]}, and`, slider, now);
    series.prepend(label);
    series.classList.add("chosen");
    choose();
  });

  const back = { ArrowLeft: -1, k: -1, ArrowRight: 1, j: 1 };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key, target } = event;
    if (target.type === "range") return;
    if (filter && target === filter) {
      if (key === "Escape") { filter.value = ""; filter.dispatchEvent(new Event("input")); filter.blur(); }
      if (key === "Enter" && visible().length) select(visible()[0]);
      return;
    }
    if (key in back && (lightbox.open || groups.length)) {
      event.preventDefault();
      if (lightbox.open) turn(back[key]); else step(back[key]);
    } else if (key === "/" && filter && !lightbox.open) {
      event.preventDefault();
      filter.focus();
      filter.select();
    } else if (!lightbox.open && target.matches?.(".pic[role=button]") && (key === "Enter" || key === " ")) {
      event.preventDefault();
      enlarge(target);
    } else if (!lightbox.open && key === "Enter" && target.matches?.(".group")) {
      const first = target.querySelector(".pic[role=button]");
      if (first) { event.preventDefault(); enlarge(first); }
    }
  });
})();
