// Lines of a log as they come in; stays at the end as long as the reader is there.
export default {
  template: `
    <div class="log" ref="box" role="log" aria-live="off" @scroll.passive="look" data-testid="log">
      <div v-for="line in lines" :class="line[1]"><span class="when">{{ line[0] }}</span><span class="stream">{{ line[1] }}</span
        ><span class="what">{{ line[2] }}</span></div>
    </div>`,
  props: { first: Array },
  data() {
    return { lines: this.first, end: true };
  },
  mounted() {
    this.$refs.box.scrollTop = this.$refs.box.scrollHeight;
  },
  methods: {
    add(lines) {
      this.lines.push(...lines);
      if (this.end) this.$nextTick(() => (this.$refs.box.scrollTop = this.$refs.box.scrollHeight));
    },
    look() {
      const box = this.$refs.box;
      this.end = box.scrollHeight - box.scrollTop - box.clientHeight < 30;
    },
  },
};
