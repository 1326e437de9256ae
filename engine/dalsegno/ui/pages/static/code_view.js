// Lines of code, each a number, a mark and coloured pieces of text.
export default {
  template: `
    <div class="code" ref="box"><table><tbody>
      <tr v-for="line in lines" :class="line[1]"><td class="no">{{ line[0] }}</td
        ><td><span v-for="piece in line[2]" :class="piece[0]">{{ piece[1] }}</span></td></tr>
    </tbody></table></div>`,
  props: { lines: Array, reveal: Boolean },
  mounted() {
    if (!this.reveal) return;
    const first = this.$refs.box.querySelector("tr.in");
    if (first) this.$refs.box.scrollTop = Math.max(0, first.offsetTop - 40);
  },
};
