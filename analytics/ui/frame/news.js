// Shows the age of a page's numbers, and runs the page when there are newer ones. It asks the server in a request of
// its own, which costs the server a small part of what a run of the script does.

export default function ({ data, parentElement, setTriggerValue }) {
  const age = parentElement.querySelector("p");
  age.textContent = data.text;
  const base = location.pathname.slice(0, location.pathname.length - data.page.length).replace(/\/?$/, "/");
  let isAsking = false;

  const ask = async () => {
    if (document.visibilityState === "hidden" || isAsking) return;
    isAsking = true;
    try {
      const answer = await fetch(base + data.path, { cache: "no-store" });
      // Another answer: something else serves the script, or has forgotten what this page shows. The script looks then.
      const isOurs = answer.headers.get("content-type") === "application/json";
      const news = isOurs ? await answer.json() : { is_new: true };
      if (news.is_new) setTriggerValue("news", Date.now());
      else age.textContent = news.text;
    } catch {
      // The server is away: Streamlit says so, and connects again.
    } finally {
      isAsking = false;
    }
  };

  parentElement.stop?.();
  const clock = setInterval(ask, 1000 * data.seconds);
  document.addEventListener("visibilitychange", ask);
  parentElement.stop = () => {
    clearInterval(clock);
    document.removeEventListener("visibilitychange", ask);
  };
  return parentElement.stop;
}
