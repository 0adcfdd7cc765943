// Tables whose rows stay the same elements as long as they are about the same thing, so that a second changes texts only.

// `columns`: [heading, class, cell(row) -> text or { text, tone, title }, or fill(cell, row) where `own`].
class Table {
  constructor(id, columns, none) {
    this.table = $(id);
    this.columns = columns;
    this.rows = new Map();
    const heads = columns.map(({ head, kind = "" }) => element("th", { class: kind, text: head, scope: "col" }));
    this.body = element("tbody");
    this.none = element("caption", { class: "none", text: none });
    this.table.append(this.none, element("thead", {}, element("tr", {}, ...heads)), this.body);
    this.none.style.captionSide = "bottom";
  }

  // `key(row)` says what a row is about; `mark(row)` is its class.
  show(list, key, mark = () => "") {
    const seen = new Set();
    let next = this.body.firstChild;
    for (const item of list) {
      const name = key(item);
      if (seen.has(name)) continue;
      seen.add(name);
      const row = this.rows.get(name) || this.add(name);
      if (row.className !== mark(item)) row.className = mark(item);
      this.columns.forEach((column, index) => this.fill(row.children[index], column, item));
      if (row === next) next = next.nextSibling;
      else this.body.insertBefore(row, next);
    }
    for (const [name, row] of this.rows) {
      if (seen.has(name)) continue;
      row.remove();
      this.rows.delete(name);
    }
    this.none.hidden = seen.size > 0;
  }

  add(name) {
    const row = element("tr", {}, ...this.columns.map(({ kind = "" }) => element("td", { class: kind })));
    this.rows.set(name, row);
    return row;
  }

  fill(cell, column, item) {
    if (column.own) {
      column.own(cell, item);
      return;
    }
    const shown = column.cell(item);
    const { text, tone = "", title = "" } = typeof shown === "object" && shown !== null ? shown : { text: shown };
    setText(cell, String(text ?? ""));
    const name = `${column.kind || ""} ${tone}`.trim();
    if (cell.className !== name) cell.className = name;
    if (cell.title !== title) cell.title = title;
  }
}

const toned = (text, tone, title = "") => ({ text, tone, title });

// A cell that is a button for what the row is about.
function nameCell(text, press, title = () => "") {
  return (cell, item) => {
    if (!cell.firstChild) cell.append(element("button", { class: "name", type: "button" }));
    const button = cell.firstChild;
    button.onclick = () => press(item);
    setText(button, text(item));
    button.title = title(item);
  };
}

function sparkCell(points) {
  return (cell, item) => {
    if (!cell.firstChild) cell.append(newSpark());
    const found = points(item);
    if (cell.drawn === found) return;
    cell.drawn = found;
    spark(cell.firstChild, found ? found[0] : [], found ? found[1] : []);
  };
}
