// Draws the nodes that `_values.py` makes. Texts go in as text; `srcdoc` only into a frame that may run nothing.
const { h } = Vue;
const span = (kind, text) => h("span", { class: `v-${kind}` }, text);

function draw(node) {
  switch (node.k) {
    case "leaf":
      return h("span", [span(node.c, node.s), node.t ? h("span", { class: "v-kind" }, ` ${node.t}`) : null,
        node.more ? h("span", { class: "v-kind" }, ` … ${node.more}`) : null]);
    case "inline":
      return h("span", node.parts.map(([kind, text]) => span(kind, text)));
    case "row":
      return h("span", [span("kind", `${node.head} `), span("number", node.s)]);
    case "group":
      return h("details", { open: node.open }, [
        h("summary", [span("kind", node.head), node.count ? span("kind", ` · ${node.count}`) : null]),
        h("div", { class: "v-in" }, [
          ...node.items.map((item) => h("div", [item.key !== "" ? span("key", item.key) : null, item.key !== "" ? ": " : null, draw(item.v)])),
          node.more ? h("div", { class: "v-kind" }, node.more) : null,
        ]),
      ]);
    case "table":
      return h("div", [
        h("div", { class: "v-kind", style: "margin-bottom: 4px" }, `${node.head} · ${node.note}`),
        h("div", { class: "grid-box" }, h("table", [
          h("thead", h("tr", [h("th", ""), ...node.columns.map((name, at) => h("th", { class: { words: node.words[at] } }, name))])),
          h("tbody", node.rows.map((row, index) => h("tr", [h("td", { class: "index" }, String(index)),
            ...row.map((cell, at) => h("td", { class: { words: node.words[at] }, title: cell }, cell))]))),
        ])),
      ]);
    case "text":
      return h("div", [span("kind", node.head), h("pre", { class: "text" }, node.s),
        node.more ? span("kind", `and ${node.more} more characters`) : null]);
    case "image":
      return h("div", [h("img", { src: node.src, alt: node.head }), h("div", { class: "v-kind" }, node.head)]);
    case "page":
      return h("div", [h("iframe", { sandbox: "", srcdoc: node.doc, title: node.head, referrerpolicy: "no-referrer" }),
        h("div", { class: "v-kind" }, `${node.head} · shown in a frame that can run nothing`)]);
  }
}

export default {
  props: { node: Object },
  render() {
    return h("div", { class: "value" }, [draw(this.node)]);
  },
};
