"use strict";
{
  const table = document.getElementById("tests");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows, (row) => ({row, text: row.textContent.toLowerCase()}));
  const find = document.getElementById("find");
  const show = document.getElementById("show");
  const shown = document.getElementById("shown");

  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const kinds = show.value.split(" ");
    let count = 0;
    for (const {row, text} of rows) {
      const fits = (!show.value || kinds.includes(row.className)) && words.every((word) => text.includes(word));
      row.hidden = !fits;
      count += fits;
    }
    shown.textContent = count === rows.length ? "" : `${count} of ${rows.length}`;
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
      const [a, b] = [valueOf(one.row, column), valueOf(two.row, column)];
      return a < b ? -sign : a > b ? sign : 0;
    });
    body.append(...rows.map(({row}) => row));
  };

  Array.from(table.tHead.rows[0].cells).forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    button.addEventListener("click", () => sort(header, column));
    header.replaceChildren(button);
  });

  const openTarget = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) target.open = true;
  };

  find.addEventListener("input", filter);
  show.addEventListener("change", filter);
  window.addEventListener("hashchange", openTarget);
  document.querySelector(".controls").hidden = false;
  openTarget();
  filter();
}
