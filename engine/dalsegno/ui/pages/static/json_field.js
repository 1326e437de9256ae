// A text area over its own text in colours; says at once when the text is no JSON, and where.
const PIECES = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null)/g;
export default {
  template: `
    <div>
      <div class="json-field">
        <pre aria-hidden="true"><span v-for="piece in pieces" :class="piece[0]">{{ piece[1] }}</span>{{ "\\n" }}</pre>
        <textarea v-model="content" spellcheck="false" autocomplete="off" rows="1" v-bind="$attrs" @keydown.tab.exact="indent" @input="changed" @blur="say"></textarea>
      </div>
      <div v-if="problem" class="json-word bad" role="status">{{ problem }}</div>
    </div>`,
  inheritAttrs: false,
  props: { text: String },
  data() {
    return { content: this.text };
  },
  computed: {
    pieces() {
      const found = [];
      let last = 0;
      for (const match of this.content.matchAll(PIECES)) {
        if (match.index > last) found.push(["", this.content.slice(last, match.index)]);
        const kind = match[1] ? (match[2] ? "k" : "s") : match[3] ? "m" : "w";
        found.push([kind, match[1] || match[0]]);
        if (match[2]) found.push(["", match[2]]);
        last = match.index + match[0].length;
      }
      found.push(["", this.content.slice(last)]);
      return found;
    },
    problem() {
      try {
        JSON.parse(this.content);
        return "";
      } catch (error) {
        return `Not JSON yet: ${error.message}`;
      }
    },
  },
  methods: {
    indent(event) {
      const at = event.target;
      event.preventDefault();
      at.setRangeText("  ", at.selectionStart, at.selectionEnd, "end");
      this.content = at.value;
      this.changed();
    },
    changed() {
      clearTimeout(this.later);
      this.later = setTimeout(this.say, 150);
    },
    // When the field is left it is told at once: what is clicked next must count with what is seen.
    say() {
      if (!this.later) return;
      clearTimeout(this.later);
      this.later = 0;
      this.$emit("text", this.content);
    },
  },
};
