// Local times, copying, plots and the live tail. Pages work without it, but for what is live.
(() => {
  "use strict";

  const clock = new Intl.DateTimeFormat(undefined, {
    hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
  });
  const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

  function age(moment) {
    const seconds = (Date.now() - moment) / 1000;
    const ahead = seconds < 0;
    const size = Math.abs(seconds);
    let text;
    if (size < 60) text = `${Math.round(size)} s`;
    else if (size < 3600) text = `${Math.floor(size / 60)} min`;
    else if (size < 86400) text = `${Math.floor(size / 3600)} h`;
    else text = `${Math.floor(size / 86400)} d`;
    return ahead ? `in ${text}` : `${text} ago`;
  }

  function showTimes(root) {
    for (const each of root.querySelectorAll("time[datetime]")) {
      const moment = new Date(each.dateTime);
      const now = new Date();
      const isToday = moment.toDateString() === now.toDateString();
      const local = isToday ? clock.format(moment) : `${day.format(moment)} ${clock.format(moment)}`;
      each.textContent = `${local} (${age(moment)})`;
    }
  }

  function colours(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function drawPlots(root) {
    for (const each of root.querySelectorAll("[data-plot]")) {
      const plot = JSON.parse(each.dataset.plot);
      each.replaceChildren();
      const series = [
        ["events", "events recorded", "--accent"],
        ["good", "dispatches done", "--good"],
        ["bad", "dead or collided", "--bad"],
      ];
      const axis = {
        stroke: colours("--quiet"), grid: { stroke: colours("--line") }, ticks: { stroke: colours("--line") },
      };
      new uPlot({
        width: each.clientWidth,
        height: 170,
        cursor: { drag: { x: false, y: false } },
        scales: { y: { range: (_, low, high) => [0, Math.max(high, 4)] } },
        axes: [{ ...axis, values: (_, moments) => moments.map((each) => clock.format(each * 1000).slice(0, 5)) }, { ...axis, size: 44 }],
        series: [{}, ...series.map(([, label, colour]) => ({
          label, stroke: colours(colour), width: 1.5, points: { show: false },
        }))],
      }, [plot.times, ...series.map(([name]) => plot[name])], each);
    }
  }

  function prepare(root) {
    showTimes(root);
    drawPlots(root);
  }

  function isInUse(element) {
    const selection = document.getSelection();
    const hasSelection = selection && !selection.isCollapsed && element.contains(selection.anchorNode);
    return hasSelection || (document.activeElement !== document.body && element.contains(document.activeElement));
  }

  // The live tail: rows come as HTML that the server has escaped.
  function watch(tail) {
    const rows = tail.querySelector("tbody");
    const button = tail.querySelector("button");
    const said = tail.querySelector("[role=status]");
    const most = 200;
    let waiting = [];
    let isPaused = false;
    let number = 0;

    function add(html) {
      rows.insertAdjacentHTML("afterbegin", html);
      showTimes(rows.firstElementChild);
      rows.firstElementChild.classList.add("fresh");
      while (rows.children.length > most) rows.lastElementChild.remove();
    }
    function say() {
      said.textContent = isPaused
        ? `paused, ${waiting.length} new`
        : `live, ${number} since this page was opened`;
    }
    const source = new EventSource(tail.dataset.tail);
    source.addEventListener("ready", say);
    source.addEventListener("refused", (message) => { said.textContent = message.data; source.close(); });
    source.addEventListener("error", () => { said.textContent = "connecting again …"; });
    source.addEventListener("event", (message) => {
      number += 1;
      if (isPaused) {
        waiting.push(message.data);
        waiting = waiting.slice(-most);
      } else {
        add(message.data);
      }
      say();
    });
    button.addEventListener("click", () => {
      isPaused = !isPaused;
      button.textContent = isPaused ? "Resume" : "Pause";
      button.setAttribute("aria-pressed", String(isPaused));
      if (!isPaused) {
        waiting.forEach(add);
        waiting = [];
      }
      say();
    });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    navigator.clipboard.writeText(button.dataset.copy).then(() => {
      button.textContent = "copied";
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    });
  });
  document.addEventListener("change", (event) => {
    // A file that is chosen is read into the field where it can be changed.
    const into = document.getElementById(event.target.dataset?.into);
    const file = event.target.files?.[0];
    if (into && file) file.text().then((text) => { into.value = text; });
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const search = document.querySelector("[data-search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  });
  document.addEventListener("htmx:sseBeforeMessage", (event) => {
    // Not under the hands of somebody who reads or selects.
    if (isInUse(event.target)) event.preventDefault();
  });
  document.addEventListener("htmx:afterSwap", (event) => prepare(event.target));
  document.addEventListener("htmx:sseMessage", (event) => prepare(event.target));
  document.addEventListener("htmx:beforeSwap", (event) => {
    // A refusal says why: show it.
    if (event.detail.xhr && event.detail.xhr.status >= 400) event.detail.shouldSwap = true;
  });
  document.addEventListener("DOMContentLoaded", () => {
    prepare(document);
    document.querySelectorAll("[data-tail]").forEach(watch);
    setInterval(() => showTimes(document), 5000);
    addEventListener("resize", () => drawPlots(document));
  });
})();
