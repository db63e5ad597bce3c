// Compares the address of the run with the browser's, and goes to other pages.
//
// Streamlit writes the address when a run begins, and until it hears of that the browser sends the one before. So a
// run can be of an address that the browser has left. Here, where the real one is known, the run is told of it:
// "popstate" is how Streamlit learns of an address. Its own way to another page makes two entries of the history.

const tell = () => window.dispatchEvent(new PopStateEvent("popstate"));

const parts = (pairs) =>
  JSON.stringify([...new Map(pairs)].filter(([name]) => !/^embed(_options)?$/i.test(name)).sort());

export default function ({ data }) {
  const seen = (window.usageAddress ??= {});
  if (data.leave && seen.left !== data.leave.id) {
    seen.left = data.leave.id;
    const at = data.pages.find((path) => path && location.pathname.endsWith("/" + path)) ?? "";
    const base = location.pathname.slice(0, location.pathname.length - at.length).replace(/\/?$/, "/");
    history.pushState({}, "", base + data.leave.to);
    tell();
  } else if (parts(new URLSearchParams(location.search)) === parts(Object.entries(data.shown))) {
    seen.told = null;
    // For tests: what the page that is being drawn is about.
    document.documentElement.dataset.shown = location.search;
  } else if (seen.told !== location.href) {
    // Once: where the two can never agree, the page stays as it is.
    seen.told = location.href;
    tell();
  }
}
