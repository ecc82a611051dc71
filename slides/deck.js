/* Lays every slide out so that it fits 1280 by 720, then starts reveal.js.

   The fit is measured where the deck is shown, with the fonts that are there. A slide tries, in this order, until nothing sticks out:
     1. where it has no figure, roomy sizes (text 32, code 22 px);
     2. the normal ones (28, 20), figures as large as the room allows;
     3. snug (26, 19), then tight (24, 18): these are the floors, nothing is set smaller;
     4. a page turn: what came as a fragment takes the place of what stood before it, under the same heading. On paper, a page of its own;
     5. long lines of code wrapped.
   What sticks out even then is reported in window.deckReport, which the build prints and the tests refuse. */
(async () => {
  "use strict";
  const ROOM = { width: 1280, height: 720 };
  const SIZES = ["roomy", "normal", "snug", "tight"];
  const SMALLEST_CODE = 18, SMALLEST_TEXT = 24;
  const LARGEST = 1.7, SMALLEST = 0.6, GOOD = 1.0; // figures, in parts of their size in the notebook
  const printing = /[?&](print-pdf|view=print)/.test(location.search);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  all("details.answer").forEach((answer) => (answer.open = true)); // there must be room for the answer too
  await MathJax.startup.promise;
  await Promise.all(all(".slides img").map((image) => image.decode().catch(() => {})));
  all("aside.notes mjx-assistive-mml").forEach((copy) => copy.remove()); // the speaker's window would show it beside the formula

  all("mjx-container:not([display]), p > code, li > code").forEach(keepWithPunctuation);

  const slides = all(".slides section").filter((section) => !section.querySelector("section"));
  slides.forEach((slide) => all(".workbook-explorer", slide).forEach(layStills));
  window.deckReport = slides.map(fit);

  document.documentElement.classList.remove("measuring");
  if (!printing) all("details.answer").forEach((answer) => (answer.open = false));
  const paged = printing ? new Promise((done) => Reveal.on("pdf-ready", done)) : null;
  await start();
  await paged;
  document.documentElement.dataset.deck = "ready";

  /* A comma belongs to the formula or name before it: no line begins with one. */
  function keepWithPunctuation(word) {
    const next = word.nextSibling;
    const mark = next && next.nodeType === Node.TEXT_NODE && /^[.,;:!?)\]]+/.exec(next.data);
    if (!mark) return;
    const together = document.createElement("span");
    together.className = "together";
    word.replaceWith(together);
    next.data = next.data.slice(mark[0].length);
    together.append(word, mark[0]);
  }

  /* How far the slide's body sticks out of the room, in pixels: 0 where it fits. */
  function excess(slide) {
    const body = slide.querySelector(".body"), box = body.getBoundingClientRect(), room = slide.getBoundingClientRect();
    const style = getComputedStyle(slide);
    const below = box.bottom - (room.bottom - parseFloat(style.paddingBottom));
    const beside = Math.max(body.scrollWidth - body.clientWidth, ...all("pre, mjx-container", body).map((block) =>
      block.getBoundingClientRect().right - box.right), ...all("pre", body).map((block) => block.scrollWidth - block.clientWidth));
    return Math.max(0, Math.ceil(below), Math.ceil(beside));
  }

  /* Several stills of an explorer stand side by side where that leaves them large; else each takes the place of the one before. */
  function layStills(explorer) {
    const figures = all("figure", explorer);
    const widths = figures.map((figure) => Number(figure.querySelector("img").getAttribute("width")));
    const side = widths.reduce((sum, width) => sum + width, 24 * (widths.length - 1));
    if (figures.length < 2 || printing || side * GOOD <= ROOM.width - 96) return;
    explorer.classList.add("stack");
    figures.forEach((figure, i) => {
      figure.classList.add("fragment");
      if (i === 0) figure.classList.add("fade-out");
      else if (i < figures.length - 1) figure.classList.add("fade-in-then-out");
      if (i === 0) figure.dataset.together = ""; // it goes as the next one comes
    });
  }

  function scale(images, factor) {
    for (const image of images) {
      const natural = Number(image.getAttribute("width")) || image.naturalWidth;
      const row = image.closest(".workbook-explorer:not(.stack)");
      const beside = row ? all("img", row).length : 1;
      const most = (ROOM.width - 96 - 24 * (beside - 1)) / beside;
      image.style.width = `${Math.floor(Math.min(natural * factor, most))}px`;
    }
  }

  /* The largest figures that fit at this size of text; the scale, or 0 where none does. */
  function scaleFigures(slide) {
    const images = all(".body figure img, .body .figures img, .body .prose img", slide);
    if (!images.length) return excess(slide) ? 0 : LARGEST;
    scale(images, LARGEST);
    if (!excess(slide)) return LARGEST;
    scale(images, SMALLEST);
    if (excess(slide)) return 0;
    let low = SMALLEST, high = LARGEST;
    while (high - low > 0.01) {
      const middle = (low + high) / 2;
      scale(images, middle);
      if (excess(slide)) high = middle;
      else low = middle;
    }
    scale(images, low);
    return low;
  }

  /* Try the sizes of text; stop at the first that leaves figures good. Returns the best scale of figures, 0 where nothing fits. */
  function shrink(slide) {
    let best = { scale: 0, size: "tight" };
    for (const size of slide.querySelector(".body img") ? SIZES.slice(1) : SIZES) {
      setSize(slide, size);
      const found = scaleFigures(slide);
      if (found > best.scale + 0.05) best = { scale: found, size };
      if (found >= GOOD) break;
    }
    setSize(slide, best.size);
    scaleFigures(slide);
    return best.scale;
  }

  function setSize(slide, size) {
    slide.classList.remove(...SIZES);
    slide.classList.add(size);
    // A long line of code, or a long formula, is set smaller on its own, not the text around it.
    const room = slide.querySelector(".body").clientWidth;
    if (!slide.classList.contains("wrapped")) narrow("--code", SMALLEST_CODE, all(".body pre", slide), (block) =>
      block.scrollWidth > block.clientWidth);
    narrow("--math", SMALLEST_TEXT, all("mjx-container[display] > svg", slide), (drawing) =>
      drawing.getBoundingClientRect().width > room);

    function narrow(property, smallest, blocks, isTooWide) {
      slide.style.removeProperty(property);
      let pixels = parseInt(getComputedStyle(slide).getPropertyValue(property));
      while (pixels > smallest && blocks.some(isTooWide)) slide.style.setProperty(property, `${(pixels -= 1)}px`);
    }
  }

  function fit(slide) {
    const hasFigures = slide.querySelector(".body img") !== null;
    let figures = shrink(slide), turned = false, wrapped = false;
    if ((figures === 0 || (hasFigures && figures < GOOD)) && turn(slide)) {
      turned = true;
      figures = shrink(slide);
    }
    if (figures === 0 && all("pre", slide).some((block) => block.scrollWidth > block.clientWidth)) {
      wrapped = true;
      slide.classList.add("wrapped");
      figures = shrink(slide);
    }
    if (printing && turned) separate(slide);
    number(slide);
    const heading = slide.querySelector("h1, h2, h3, .kicker");
    const size = SIZES.find((name) => slide.classList.contains(name));
    return { heading: heading ? heading.textContent : "", excess: excess(slide), size, turned, wrapped, figures: hasFigures ? figures : null };
  }

  /* Pages under one heading: what stands before the first fragment, and what comes after. False where there is nothing to turn. */
  function turn(slide) {
    const body = slide.querySelector(".body"), parts = [...body.children];
    const at = parts.findIndex((part) => part.matches(".fragment"));
    if (at < 1) return false;
    const first = parts[0].matches("h2, h3, .kicker") ? parts[0] : parts[0].querySelector("h2, h3");
    if (at === 1 && parts[0].children.length <= 1 && parts[0] === first) return false;
    const pages = document.createElement("div");
    pages.className = "pages";
    const before = document.createElement("div"), after = document.createElement("div");
    before.className = "page";
    after.className = "page";
    before.append(...parts.slice(0, at));
    after.append(...parts.slice(at));
    parts[at].classList.remove("fragment");
    pages.append(before, after);
    body.append(...(first ? [first] : []), pages);
    if (!printing) {
      before.classList.add("fragment", "fade-out");
      after.classList.add("fragment");
    }
    return true;
  }

  /* On paper, the second page is a sheet of its own. */
  function separate(slide) {
    const sheet = slide.cloneNode(true);
    slide.querySelector(".page:last-child").remove();
    sheet.querySelector(".page").remove();
    all("aside.notes", sheet).forEach((notes) => notes.remove());
    slide.after(sheet);
  }

  /* Fragments in the order of the text, except that what goes and what comes in its place share a step. */
  function number(slide) {
    let step = 0;
    const give = (fragment) => (fragment.dataset.fragmentIndex = step);
    const run = (within, but = []) => all(".fragment", within).filter((f) => !but.includes(f)).forEach((fragment) => {
      give(fragment);
      if (!("together" in fragment.dataset)) step += 1;
    });
    const [before, after] = all(".pages > .page.fragment", slide);
    if (!before) return run(slide);
    run(before);
    give(before);
    give(after);
    step += 1;
    run(after);
  }

  async function start() {
    await Reveal.initialize({
      ...ROOM, margin: 0, minScale: 0.1, maxScale: 8, center: false,
      hash: true, controls: true, controlsTutorial: false, progress: true, slideNumber: "c/t",
      navigationMode: "linear", // a clicker has one forward key: it must not jump over the slides below
      transition: "none", backgroundTransition: "none",
      pdfSeparateFragments: false, pdfMaxPagesPerSlide: 1,
      plugins: [RevealNotes],
    });
    // An answer is a fragment that opens: with the next key, or by a click on it.
    const follow = () => all("details.answer", Reveal.getCurrentSlide() || document).forEach((answer) =>
      (answer.open = answer.classList.contains("visible")));
    if (!printing) {
      ["fragmentshown", "fragmenthidden", "slidechanged"].forEach((event) => Reveal.on(event, follow));
      follow();
    }
    Reveal.addKeyBinding({ keyCode: 67, key: "C", description: "Show or hide the code of a figure" }, () =>
      all("details.source", Reveal.getCurrentSlide()).forEach((source) => (source.open = !source.open)));
    Reveal.on("slidechanged", () => all("details.source[open]").forEach((source) => (source.open = false)));
    Reveal.addKeyBinding({ keyCode: 84, key: "T", description: "Start or stop the clock of an exercise" }, () =>
      all(".minutes", Reveal.getCurrentSlide()).forEach(countDown));
    all(".minutes").forEach((badge) => badge.addEventListener("click", () => countDown(badge)));
  }

  /* The badge of an exercise counts its minutes down, and below zero says how late it is. Once more: stops and starts over. */
  function countDown(badge) {
    badge.dataset.label ||= badge.textContent;
    if (badge.dataset.clock) {
      clearInterval(Number(badge.dataset.clock));
      delete badge.dataset.clock;
      badge.textContent = badge.dataset.label;
      return;
    }
    const end = Date.now() + parseInt(badge.dataset.label) * 60000;
    const show = () => {
      const left = Math.round((end - Date.now()) / 1000), size = Math.abs(left);
      badge.textContent = `${left < 0 ? "+" : ""}${Math.floor(size / 60)}:${String(size % 60).padStart(2, "0")}`;
    };
    badge.dataset.clock = setInterval(show, 1000);
    show();
  }
})();
