/** What central tells of the folders that its settings serve: the shapes of `/v1/folders`, for central and the page. */

export interface FolderEntry {
  readonly name: string;
  readonly path: string;
  readonly kind: "folder" | "file";
  /** Null of a folder. */
  readonly bytes: number | null;
  /** ISO 8601 UTC. */
  readonly modifiedAt: string;
}

export interface FolderPage {
  /** Null: the folders of the settings themselves. */
  readonly folder: string | null;
  /** Null: there is none that may be listed. */
  readonly parent: string | null;
  /** By name. What was left out (hidden, no plain file or folder, a link that leads outside) makes a page short. */
  readonly entries: readonly FolderEntry[];
  /** `after` of the next page; null: this is the last. */
  readonly next: string | null;
}
