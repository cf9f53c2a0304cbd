// One end of a shared folder as a process of its own: dials, calls, and goes on until it is killed. Arguments: folder, name.
import { realClock } from "../../dist/core/real-clock.js";
import { connect } from "../../dist/wire/connect.js";
import { openMailbox } from "../../dist/wire/mailbox.js";

const [folder, name] = process.argv.slice(2);
const link = await openMailbox(folder, name, realClock);
const { remote } = connect(link, { echo: true }, { clock: realClock });
for (let count = 0; ; count += 1) {
  const { text } = await remote.echo({ text: `${count}`.padEnd(50_000, "x") });
  if (text.length !== 50_000) process.exit(1);
  console.log(count);
}
