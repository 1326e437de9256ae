// The tree of a run beside its timeline. The server keeps the tree; here are only the rows that can be seen, which are
// asked for as they come into sight. So an unfolded tree of any size costs the same.
const HEIGHT = 28;
const AROUND = 30;
export default {
  template: `
    <div class="tree" ref="box" tabindex="0" role="tree" aria-label="Actions" @scroll.passive="look">
      <div class="tree-head"><span>Action</span><span class="right">Duration</span>
        <div class="tree-axis"><span v-for="tick in ticks" :style="{left: tick[0] * 100 + '%'}">{{ tick[1] }}</span></div></div>
      <div class="tree-space" :style="{height: total * ${HEIGHT} + 'px'}">
        <div v-for="row in rows" :key="row.id" class="tree-row" :class="{at: row.id === selected}" role="treeitem"
             :style="{top: row.index * ${HEIGHT} + 'px'}" :aria-level="row.depth + 1" :aria-expanded="row.open"
             :aria-selected="row.id === selected" data-testid="action" @click="pick(row)">
          <div class="tree-name" :class="row.phase" :style="{paddingLeft: Math.min(row.depth, 24) * 16 + 'px'}">
            <button v-if="row.open !== null" class="tree-fold" :class="{open: row.open}" @click.stop="$emit('fold', row.id)"
                    :aria-label="row.open ? 'Fold' : 'Unfold'" tabindex="-1"><i class="icon" aria-hidden="true">chevron_right</i></button>
            <span v-else class="tree-fold"></span>
            <i class="icon state" :title="row.word" :aria-label="row.word">{{ row.icon }}</i>
            <span class="tree-task cut" :title="row.title">{{ row.task }}</span>
            <span class="tree-hash cut">{{ row.name }}</span>
            <span v-for="mark in row.marks" class="tree-mark" :class="mark[1]">{{ mark[0] }}</span>
          </div>
          <span class="time right soft">{{ row.took }}</span>
          <div class="tree-track"><div v-if="row.part !== null" class="tree-bar" :class="row.phase" :title="row.hint"
               :style="{left: row.from * 100 + '%', width: row.part * 100 + '%'}"></div></div>
        </div>
      </div>
    </div>`,
  props: { first: Object },
  data() {
    return { ...this.first };
  },
  mounted() {
    window.addEventListener("dalsegno:move", this.move);
    window.addEventListener("dalsegno:open", this.open);
    this.reveal();
    this.look();
    this.sized = new ResizeObserver(() => this.look());
    this.sized.observe(this.$refs.box);
  },
  unmounted() {
    window.removeEventListener("dalsegno:move", this.move);
    window.removeEventListener("dalsegno:open", this.open);
    this.sized.disconnect();
  },
  methods: {
    show(seen) {
      const moved = seen.place !== undefined && seen.selected !== this.selected;
      Object.assign(this, seen);
      if (moved) this.$nextTick(() => this.reveal());
    },
    look() {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => {
        this.waiting = false;
        const box = this.$refs.box;
        if (!box) return;
        const top = Math.floor(box.scrollTop / HEIGHT);
        const count = Math.ceil(box.clientHeight / HEIGHT);
        const from = Math.max(0, top - AROUND);
        const to = top + count + AROUND;
        const has = this.rows.length ? [this.rows[0].index, this.rows[this.rows.length - 1].index + 1] : [0, 0];
        const near = top >= has[0] + (has[0] ? 10 : 0) && (has[1] >= this.total || top + count + 10 <= has[1]);
        if (!near || this.asked === undefined) {
          this.asked = [from, to];
          this.$emit("window", { start: from, stop: to });
        }
      });
    },
    reveal() {
      const box = this.$refs.box;
      if (!box || this.place === undefined || this.place < 0) return;
      const top = this.place * HEIGHT;
      if (top < box.scrollTop) box.scrollTop = top;
      else if (top + 2 * HEIGHT + 30 > box.scrollTop + box.clientHeight) box.scrollTop = top + 3 * HEIGHT + 30 - box.clientHeight;
    },
    pick(row) {
      this.selected = row.id;
      this.$emit("pick", row.id);
    },
    move(event) {
      this.$emit("step", event.detail);
    },
    open() {
      if (this.selected !== null) this.$emit("fold", this.selected);
    },
  },
};
