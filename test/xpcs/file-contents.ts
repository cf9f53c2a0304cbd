/** All of an HDF5 file, through a reader that is not ours: to compare two files whole. */
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
