// Compares the address of the run with the browser's, goes to other pages, and keeps the history as it was made.
//
// Streamlit writes the address while a run begins, and the browser may have gone on by then: what it sends until it
// hears of that has the address before, and what it hears after a Back is of the page before. Here, where the real
// address is known, runs of another one are told of it ("popstate" is how Streamlit learns of an address), and
// nothing is written from a Back until its page is there or something is clicked.

const seen = (window.usageAddress ??= {});

if (!seen.isListening) {
  seen.isListening = true;
  for (const name of ["pushState", "replaceState"]) {
    const write = history[name].bind(history);
    history[name] = (...entry) => seen.isAwaited || write(...entry);
  }
  window.addEventListener("popstate", () => (seen.isAwaited = true), true);
  const isHistory = (event) => event.altKey || event.metaKey || event.button > 2;
  for (const name of ["pointerdown", "keydown", "click"])
    window.addEventListener(name, (event) => isHistory(event) || (seen.isAwaited = false), true);
}

const tell = () => window.dispatchEvent(new PopStateEvent("popstate"));

const parts = (pairs) =>
  JSON.stringify([...new Map(pairs)].filter(([name]) => !/^(anew|embed|embed_options)$/i.test(name)).sort());

export default function ({ data }) {
  const page = data.pages.find((path) => path && location.pathname.endsWith("/" + path)) ?? "";
  const isSame = parts(new URLSearchParams(location.search)) === parts(Object.entries(data.query));
  if (data.leave && seen.left !== data.leave.id) {
    seen.left = data.leave.id;
    seen.isAwaited = false;
    const base = location.pathname.slice(0, location.pathname.length - page.length).replace(/\/?$/, "/");
    history.pushState({}, "", base + data.leave.to);
    tell();
  } else if (isSame && page === data.page) {
    seen.isAwaited = false;
    seen.told = null;
    // For tests: what the page that is being drawn is about.
    document.documentElement.dataset.shown = location.pathname + location.search;
  } else if (seen.told !== location.href) {
    // Once: where the two can never agree, the page stays as it is.
    seen.told = location.href;
    tell();
  }
}
