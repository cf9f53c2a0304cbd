/** Every bound of the system: name with its unit, and the reason for the number. */

export const LIMITS = {
  /** One control frame, before decoding; results and frames of a detector never travel here. */
  frameBytesMax: 1024 * 1024,
  /** q bins that one request may list: more than any map has, and a list fits a frame. */
  qBinsMax: 65_536,
  /** Files that belong to one input: a long Eiger series; with usual paths they fit a page. */
  inputPartsMax: 1_000,
  /** Nesting of a decoded message; ours need 6. */
  messageDepthMax: 32,
  /** Calls in flight per link before OVERLOADED. */
  inFlightMax: 64,
  /** Bytes that may wait for a peer that does not read before its link is closed: a full pipeline of large pages. */
  bufferedBytesMax: 16 * 1024 * 1024,
  /** Messages waiting in one actor's mailbox before OVERLOADED. */
  mailboxMax: 4096,
  /** Deadline of a call that names none. */
  callDeadlineMs: 15_000,
  /** Longest that central holds a long poll. */
  longPollMs: 10_000,
  /** Ping interval of a link; two missed pongs close it. */
  heartbeatMs: 3_000,
  /** A link must authenticate within this time. */
  authenticateMs: 10_000,
  /** Links that have not authenticated, at a time; the oldest makes room. All sites come back together when central was restarted, but need ms. */
  unauthenticatedLinksMax: 256,
  /** Open connections of a listener: every site of a large facility, and then some. */
  connectionsMax: 4_096,
  /** HTTP requests of one token that may wait for an answer, long polls included, before OVERLOADED: as many as on a link. */
  httpInFlightMax: 64,
  /** Transfers through central of one token at a time, before OVERLOADED: those of some attempts, in parts. */
  dataInFlightMax: 64,
  /** Folders that are listed for one token at a time, before OVERLOADED: a person looks into one. */
  foldersInFlightMax: 8,
  /** Machines that fetch the bundle at a time, before 503: nobody has shown a token, and each takes a file's bandwidth. */
  bundlesInFlightMax: 16,
  /** Bytes of one part of an upload: over in 30 s also on a slow link. */
  dataChunkBytesMax: 16 * 1024 * 1024,
  /** Wrong tokens from one address within `loginWindowMs`; after that its log-ins are refused unread until the window is over. */
  loginFailuresMax: 10,
  loginWindowMs: 60_000,
  /** Addresses whose failures are remembered. */
  loginAddressesMax: 4_096,
  /** How often central looks for changed, expired and revoked tokens. */
  tokenCheckMs: 1_000,
  /** Tokens that count, and those that ended lately. */
  tokensMax: 10_000,
  /** A token that ended is listed for 90 days. */
  endedTokensKeptS: 90 * 86_400,
  /** A join code is used within a day, or not at all. */
  joinCodeS: 86_400,
  /** Longest life of a token that expires: 10 years, s. */
  tokenValidMaxS: 10 * 366 * 86_400,
  /** Lease term. Renewal happens at `renewMs`, so three renewals may be lost. Detects a dead site within 10 s. */
  leaseMs: 9_000,
  renewMs: 2_500,
  /** Longest time that a site may tell until a job's files are there: as good as never. */
  filesInMsMax: 30 * 86_400_000,
  /** A kernel host that has been silent for this long is hung and is killed. */
  kernelSilenceMs: 8_000,
  /** Time for a canceled kernel to stop by itself; a cancel takes 2 s at most in all. */
  kernelStopMs: 1_200,
  /** Attempts of a job unless it says otherwise. */
  attemptsMax: 3,
  /** Most attempts that a job may ask for: each one's reason is kept. */
  attemptsMaxMax: 20,
  /** Wait before the second attempt after a failure; doubles with each, up to the maximum. A lost lease retries at once. */
  retryDelayMs: 1_000,
  retryDelayMaxMs: 60_000,
  /** Longest first wait that a job may ask for. */
  retryDelayAskMaxMs: 3_600_000,
  /** Of a job either way: enough steps for any order. */
  priorityMax: 1_000,
  /** Parents of one job: their end is looked at together. */
  parentsMax: 1_000,
  /** Of a job's resources; more than any machine has, and exact as numbers. */
  resourceMax: 1_000_000,
  /** Of bytes or events a second that a site's self-test tells. */
  rateMax: 1e15,
  /** Downtimes of one source: those of all machines of a facility for years. */
  downtimesMax: 500,
  /** Of one machine in one answer of a feed. */
  feedDowntimesMax: 200,
  /** A feed that was not heard of for so long is stale: what it says of now is not believed any more. */
  feedStaleMs: 15 * 60_000,
  /** Slots that one site may offer, and leases that it may hold (slots, and those that wait to be reported). */
  siteSlotsMax: 1_024,
  /** Pilots of one site. */
  pilotsMax: 1_000,
  /** Threads of one correlation: more than any machine has cores. */
  threadsMax: 1_024,
  heldLeasesMax: 4_096,
  /** Waiting jobs looked at in one round of dispatch: bounds its time when many wait for sites that are busy. */
  dispatchScanMax: 2_000,
  /** Of jobs alike, so many that wait in a row: of the rest those are asked about in this round that may come before their turn elsewhere. */
  dispatchWaitsMax: 32,
  /** How often central looks for expired leases and due retries. */
  reapMs: 500,
  /** How often central looks whether jobs that sites have not begun are better off elsewhere; in all that is some ms of work. */
  rerouteMs: 2_000,
  /** Such jobs that it looks at in one round, and that are on their way back at a time. */
  rerouteScanMax: 64,
  recallsMax: 16,
  /** A site that has not answered a recall by then has begun the job, or knows no recalls. */
  recallMs: 10_000,
  /** Running jobs that get a second attempt in one round; the next is soon. */
  duplicatesMax: 16,
  /** Times that a job is recalled, since it was submitted or last retried. */
  movesMax: 3,
  /** Bytes of jobs in one page: half a frame, so that one more large job still fits. */
  pageBytesMax: 512 * 1024,
  /** Bytes of one part of a backup: some ms of reading, and well within a frame. */
  backupPartBytes: 256 * 1024,
  /** Backups at a time: each holds a moment of the ledger, so what is overwritten meanwhile stays on the disk. */
  backupsMax: 4,
  /** A backup whose next part nobody asks for is given up. */
  backupIdleMs: 60_000,
  /** Jobs of the archive that one page looks at: bounds its time where few of them match. */
  archiveScanMax: 20_000,
  /** How often central looks for jobs that are due for the archive, and for what it keeps for too long. */
  tidyMs: 60_000,
  /** Jobs that go into the archive in one turn: some ms. */
  archiveJobsMax: 500,
  /** Events, and jobs submitted with them, after which a ledger begins anew from a base: copying the live state must be rare beside writing events. */
  baseEvents: 100_000,
  /** How often central looks at the room on its disk. */
  diskCheckMs: 1_000,
  /** Numbers in one span of a list of files: more than one measures in a beam time. */
  rangeMax: 100_000,
  /** Jobs in one submit call. */
  submitJobsMax: 1_000,
  /** Jobs in one page of a listing. */
  pageJobsMax: 500,
  /** Messages decided on and committed together. */
  groupCommitMax: 256,
  /** Parameters, inputs or outputs of one command. */
  commandFieldsMax: 64,
  /** Of each output stream of an attempt, bytes: the first part is kept, and the last; what is between is counted and left out. */
  logHeadBytes: 4 * 1024 * 1024,
  logTailBytes: 64 * 1024,
  /** Bytes of a log in one message. */
  logChunkBytes: 64 * 1024,
  /** How often a site looks for new output of its attempts. */
  logFollowMs: 250,
  /** Values of g2 in one snapshot of a stream: some 100 kB, so that a few a second go over any link. */
  liveValuesMax: 4_096,
  /** Static bins in a snapshot; where there are more, it has none. */
  liveStaticMax: 1_024,
  /** Rows of intensity against time in a snapshot. */
  liveIntensityRows: 256,
  /** Bytes of one snapshot as text. */
  liveBytesMax: 512 * 1024,
  /** Streams of which central keeps the latest snapshot; the oldest makes room. */
  liveStreamsMax: 256,
  /** A site sends snapshots of a stream no more often. */
  liveEveryMs: 250,
  /** Longest time between two snapshots that may be asked for, s. */
  liveEveryMaxS: 3_600,
  /** A source that cannot be reached for so long is lost, ms. */
  streamPatienceMs: 10_000,
  /** A file of a folder that has not come, and later ones have: a gap, unless the stream says another time. */
  streamMissingMs: 5_000,
  /** An exclusive command whose site gives no sign of life for so long is killed: before its lease can be granted again. */
  exclusiveSilenceMs: 4_000,
  /** Length of a tag key or value, of a reason, of a path: what a table or a log line can carry. */
  tagCharsMax: 256,
  tagsMax: 32,
  /** Length of a job's list of bad frames: some thousand of them. */
  badFramesCharsMax: 16_384,
  pathCharsMax: 4096,
  reasonCharsMax: 2000,
} as const;
