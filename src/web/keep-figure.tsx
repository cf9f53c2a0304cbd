/** Buttons that give the user a figure as it is seen: SVG, PNG, and the numbers of its curves as CSV. */
import { useSignal } from "@preact/signals";
import { messageOf } from "./api.js";
import { type Figure, figureCsv, figureSvg } from "./figure-svg.js";

/** Pixels of PNG for one of SVG. */
const FINENESS = 2;

function download(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // Not at once: the browser begins later.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** @throws the browser cannot draw it */
async function pngOf(figure: Figure): Promise<Blob> {
  const { text, width, height } = figureSvg(figure);
  const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [FINENESS * width, FINENESS * height];
    canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) =>
      canvas.toBlob((blob) => (blob === null ? reject(new Error("this browser made no PNG of it")) : resolve(blob)), "image/png"),
    );
  } finally {
    URL.revokeObjectURL(url);
  }
}

const KINDS = {
  SVG: (figure: Figure) => new Blob([figureSvg(figure).text], { type: "image/svg+xml" }),
  PNG: pngOf,
  CSV: (figure: Figure) => new Blob([figureCsv(figure)], { type: "text/csv" }),
} as const;

/** @param figure as it is seen now. @param kinds a picture has no numbers that CSV could hold: its file has them */
export function KeepFigure({ title, figure, kinds }: { title: string; figure: () => Figure; kinds: readonly (keyof typeof KINDS)[] }) {
  const problem = useSignal<string | null>(null);
  const stem = title.replace(/[^\p{L}\p{N}.-]+/gu, "-").replace(/^-|-$/g, "");
  const keep = async (kind: keyof typeof KINDS): Promise<void> => {
    problem.value = null;
    try {
      download(`${stem}.${kind.toLowerCase()}`, await KINDS[kind](figure()));
    } catch (error) {
      problem.value = messageOf(error);
    }
  };
  return (
    <span class="keep">
      {problem.value !== null && <span role="alert">{problem.value}</span>}
      {kinds.map((kind) => (
        <button key={kind} type="button" aria-label={`${kind} of ${title}`} onClick={() => void keep(kind)}>
          {kind}
        </button>
      ))}
    </span>
  );
}
