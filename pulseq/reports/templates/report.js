"use strict";
{
  const table = document.getElementById("tests");
  const body = table.tBodies[0];
  const rows = Array.from(body.querySelectorAll("[data-kinds]"));
  const find = document.getElementById("find");
  const show = document.getElementById("show");
  const shown = document.getElementById("shown");
  const folded = Array.from(document.querySelectorAll("details.failure"));

  // A test may be told in several places: all of them fit a filter, or none.
  const tests = new Map();
  for (const place of document.querySelectorAll("[data-kinds]")) {
    const name = place.querySelector(".name").textContent;
    const test = tests.get(name) || {text: "", kinds: new Set(), places: []};
    test.text += ` ${place.textContent.toLowerCase()}`;
    for (const kind of place.dataset.kinds.split(" ")) test.kinds.add(kind);
    test.places.push(place);
    tests.set(name, test);
  }
  const sections = Array.from(document.querySelectorAll("main section"), (section) => ({
    section, items: Array.from(section.querySelectorAll("[data-kinds]")),
  })).filter(({section, items}) => items.length && !section.contains(table));

  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const kinds = show.value.split(" ");
    for (const {text, kinds: known, places} of tests.values()) {
      const fits = (!show.value || kinds.some((kind) => known.has(kind))) && words.every((word) => text.includes(word));
      for (const place of places) place.hidden = !fits;
    }
    for (const {section, items} of sections) section.hidden = items.every((item) => item.hidden);
    const asked = [find.value.trim() && `“${find.value.trim()}”`, show.value && show.selectedOptions[0].textContent];
    const count = rows.filter((row) => !row.hidden).length;
    shown.textContent = asked.some(Boolean) ? `${count} of ${rows.length} tests: ${asked.filter(Boolean).join(", ")}` : "";
  };

  // The address tells the filter and the place, as in #find=cart&show=failed&at=t1; without a filter it is #t1.
  const address = (at) => {
    const told = new URLSearchParams();
    if (find.value.trim()) told.set("find", find.value.trim());
    if (show.value) told.set("show", show.value);
    if (!String(told)) return at;
    if (at) told.set("at", at);
    return String(told);
  };

  const read = () => {
    const hash = location.hash.slice(1);
    const told = new URLSearchParams(hash);
    const filtered = hash.includes("=");
    find.value = (filtered && told.get("find")) || "";
    show.value = (filtered && told.get("show")) || "";
    if (show.selectedIndex < 0) show.value = "";
    filter();
    return filtered ? told.get("at") : hash;
  };

  const write = () => {
    filter();
    const hash = address("");
    try {
      history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
    } catch {
      // A page in a frame of others may not: the view is filtered all the same.
    }
  };

  const go = (at) => {
    const target = at && document.getElementById(at);
    if (!target) return;
    if (target instanceof HTMLDetailsElement) target.open = true;
    target.scrollIntoView();
  };

  const valueOf = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return "";
    const value = "value" in cell.dataset ? cell.dataset.value : cell.textContent;
    return cell.classList.contains("number") ? (value === "" ? -1 : Number(value)) : value;
  };

  const sort = (header, column) => {
    const falling = header.getAttribute("aria-sort") !== "descending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const sign = falling ? -1 : 1;
    rows.sort((one, two) => {
      const [a, b] = [valueOf(one, column), valueOf(two, column)];
      return a < b ? -sign : a > b ? sign : 0;
    });
    body.append(...rows);
  };

  Array.from(table.tHead.rows[0].cells).forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    header.dataset.words = header.textContent;
    button.addEventListener("click", () => sort(header, column));
    header.replaceChildren(button);
  });

  // A way to a place within the page keeps the filter in the address.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link || !address("")) return;
    event.preventDefault();
    location.hash = address(link.hash.slice(1));
  });

  const fold = (open) => () => folded.forEach((one) => { one.open = open; });
  if (folded.length) {
    document.getElementById("expand").addEventListener("click", fold(true));
    document.getElementById("collapse").addEventListener("click", fold(false));
  }

  // Paper shows every traceback; what was closed on the screen is closed again.
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = folded.filter((one) => !one.open);
    for (const one of closed) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of closed) one.open = false;
  });

  find.addEventListener("input", write);
  show.addEventListener("change", write);
  window.addEventListener("hashchange", () => go(read()));
  document.querySelector(".controls").hidden = false;
  go(read());
}
