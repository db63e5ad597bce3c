// Compares the address of a run with the browser's, opens other pages, and keeps the history in order.
//
// Streamlit writes the address when a run begins. The browser may have moved on by then: until it hears of the change
// it sends the address before, and after a Back it hears of the page before. This script knows the real address: it
// sends it to runs of another one (Streamlit learns of an address by "popstate"), and blocks all writes from a Back
// until its page is drawn or something is clicked.

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

const pageOf = (pages) => pages.find((path) => path && location.pathname.endsWith("/" + path)) ?? "";
const baseOf = (page) => location.pathname.slice(0, location.pathname.length - page.length).replace(/\/?$/, "/");

// Streamlit's links to the first page are a "?" and its parts, or nothing: of another page a browser would take them for links to
// that one, where it opens them in a new tab or copies them. A click does not read them.
const lead = () => {
  const base = baseOf(pageOf(seen.pages));
  for (const link of document.querySelectorAll('a[href^="?"], a[href=""]')) link.setAttribute("href", base + link.getAttribute("href"));
};

const tell = () => window.dispatchEvent(new PopStateEvent("popstate"));

const parts = (pairs) =>
  JSON.stringify([...new Map(pairs)].filter(([name]) => !/^(anew|embed|embed_options)$/i.test(name)).sort());

export default function ({ data }) {
  if (!seen.pages) {
    seen.pages = data.pages;
    lead();
    const watched = { subtree: true, childList: true, attributes: true, attributeFilter: ["href"] };
    new MutationObserver(lead).observe(document.body, watched);
  }
  const page = pageOf(data.pages);
  const isSame = parts(new URLSearchParams(location.search)) === parts(Object.entries(data.query));
  if (data.leave && seen.left !== data.leave.id) {
    seen.left = data.leave.id;
    seen.isAwaited = false;
    history.pushState({}, "", baseOf(page) + data.leave.to);
    tell();
  } else if (isSame && page === data.page) {
    seen.isAwaited = false;
    seen.told = null;
    // For tests: the address that the page draws.
    document.documentElement.dataset.shown = location.pathname + location.search;
  } else if (seen.told !== location.href) {
    // Only once: where the two cannot agree, the page stays as it is.
    seen.told = location.href;
    tell();
  }
}
