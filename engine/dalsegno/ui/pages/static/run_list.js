// The rows of the list of runs. Everything is put in as text; `at` is the row that the keyboard is on.
export default {
  template: `
    <div class="box" role="table" aria-label="Runs">
      <div class="run-head" role="row">
        <span role="columnheader">Phase</span><span role="columnheader">Run</span><span role="columnheader">Task</span>
        <span class="labels" role="columnheader">Labels</span><span role="columnheader">Started</span>
        <span class="right" role="columnheader">Duration</span>
      </div>
      <div v-for="(row, index) in list" :key="row.id" class="run-row" :class="{at: index === at}" role="row" data-testid="run">
        <span role="cell" class="phase" :class="row.phase"><i class="icon" aria-hidden="true">{{ row.icon }}</i>{{ row.word }}</span>
        <span role="cell" style="min-width: 0">
          <a class="run-name cut" style="display: block" :href="row.href" :title="row.name">{{ row.name }}</a>
          <span v-if="row.place || row.imported" class="faint cut" style="display: block; font-size: 12px">{{ row.place }} {{ row.imported }}</span>
          <span v-if="row.mark" class="mark"><i class="icon" aria-hidden="true">{{ row.mark.icon }}</i>{{ row.mark.word }}
            <a class="cut" :href="row.mark.href" :title="row.mark.run">{{ row.mark.run }}</a></span>
        </span>
        <span role="cell" class="cut" :title="row.task">{{ row.task }}</span>
        <span role="cell" class="labels"><span v-for="label in row.labels" class="chip" :title="label">{{ label }}</span></span>
        <span role="cell" class="time soft" :title="row.at">{{ row.ago }}</span>
        <span role="cell" class="time right">{{ row.took }}</span>
      </div>
    </div>`,
  props: { rows: Array },
  data() {
    return { list: this.rows, at: -1 };
  },
  mounted() {
    window.addEventListener("dalsegno:move", this.move);
    window.addEventListener("dalsegno:open", this.open);
    window.addEventListener("dalsegno:key", this.rerun);
  },
  unmounted() {
    window.removeEventListener("dalsegno:move", this.move);
    window.removeEventListener("dalsegno:open", this.open);
    window.removeEventListener("dalsegno:key", this.rerun);
  },
  watch: {
    rows(rows) {
      this.show(rows);
    },
  },
  methods: {
    show(rows) {
      const held = this.at >= 0 ? this.list[this.at]?.id : null;
      this.list = rows;
      if (held !== null) this.at = rows.findIndex((row) => row.id === held);
    },
    move(event) {
      if (!this.list.length) return;
      this.at = Math.max(0, Math.min(this.list.length - 1, this.at + event.detail));
      this.$nextTick(() => this.$el.querySelector(".at")?.scrollIntoView({ block: "nearest" }));
    },
    open() {
      if (this.at >= 0) location.href = this.list[this.at].href;
    },
    rerun(event) {
      if (event.detail === "r" && this.at >= 0) location.href = this.list[this.at].rerun;
    },
  },
};
