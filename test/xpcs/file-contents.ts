/** What HDF5 files hold, through a reader that is not ours: one dataset, or all to compare two files whole. */
import h5wasm, { Dataset, Group } from "h5wasm/node";

/** Every dataset by its path, as text with its type and shape; without those (or groups) of which `leaveOut` says so by path. */
export async function contents(path: string, leaveOut: RegExp): Promise<Record<string, string>> {
  await h5wasm.ready;
  const file = new h5wasm.File(path, "r");
  const found: Record<string, string> = {};
  const visit = (group: Group): void => {
    for (const name of group.keys()) {
      const at = group.get(name);
      if (at instanceof Group) visit(at);
      else if (at instanceof Dataset && !leaveOut.test(at.path)) {
        found[at.path] =
          `${at.dtype} ${at.shape} ${ArrayBuffer.isView(at.value) ? Buffer.from(at.value.buffer).toString("base64") : at.value}`;
      }
    }
  };
  visit(file);
  file.close();
  return found;
}

/** The values of one. */
export async function datasetOf(path: string, name: string): Promise<ArrayLike<number>> {
  await h5wasm.ready;
  const file = new h5wasm.File(path, "r");
  try {
    const dataset = file.get(name);
    if (!(dataset instanceof Dataset)) throw new Error(`${path} has no dataset ${name}`);
    return dataset.value as Float32Array;
  } finally {
    file.close();
  }
}
