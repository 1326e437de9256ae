// Draws the nodes that `_values.py` makes. Texts go in as text; `srcdoc` only into a frame that may run nothing, or is our own text.
const { h } = Vue;
const span = (kind, text) => h("span", { class: `v-${kind}` }, text);

// A page that draws the figure it is sent. It is in a frame without origin: neither our cookie nor our page is within its reach, and
// it may load nothing.
const FIGURE_PAGE = `<!doctype html><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<style>html, body, #figure { margin: 0; height: 100%; font: 13px sans-serif }</style><div id="figure"></div>
<script>
  addEventListener("message", ({ source, data }) => {
    if (source !== parent) return;
    const failed = (error) => { document.getElementById("figure").textContent = "It cannot be drawn: " + error; };
    window.draw = () => Plotly.newPlot("figure", data.figure.data, data.figure.layout, { responsive: true, displaylogo: false }).catch(failed);
    addEventListener("error", (event) => failed(event.message));
    const script = document.createElement("script");
    script.type = "module";
    script.textContent = data.script + "\\n;window.draw();";
    document.body.append(script);
  });
</script>`;

const scripts = {};
async function read(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address} answers ${answer.status}`);
  return answer.text();
}

// A figure of Plotly, drawn once its frame is there.
const Figure = {
  props: { node: Object },
  data: () => ({ failed: "" }),
  methods: {
    async send(event) {
      const { figure, script } = this.node;
      try {
        scripts[script] ??= read(script);
        event.target.contentWindow?.postMessage({ figure: JSON.parse(figure), script: await scripts[script] }, "*");
      } catch (error) {
        delete scripts[script];
        this.failed = ` · cannot be drawn: ${error.message}`;
      }
    },
  },
  render() {
    return h("div", [h("iframe", { class: "figure", sandbox: "allow-scripts", srcdoc: FIGURE_PAGE, title: this.node.head,
      referrerpolicy: "no-referrer", onLoad: this.send }), h("div", { class: "v-kind" }, this.node.head + this.failed)]);
  },
};

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
    case "figure":
      return h(Figure, { node });
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
