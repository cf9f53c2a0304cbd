// One correlation from files to a result file: what is asked (Request), what the job file or q-map says (Settings), and
// what came out (Summary). The same fields as src/core/analysis.ts.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "xpcs/control.hpp"
#include "xpcs/correlator.hpp"
#include "xpcs/frame_reader.hpp"
#include "xpcs/two_time.hpp"

namespace xpcs {

enum class AnalysisType { multitau, twotime, both };
enum class Layout { nexus, exchange };
enum class Compression { none, gzip };
/// What a two-time analysis makes: the matrix, the multi-tau two-time, or both (docs/twotime.md).
enum class C2Form { full, multitau, both };
/// Convention of the standard error of g2 (docs/errors.md).
enum class Errors { influence, xpcs_eigen, boost_corr };
const char* errors_name(Errors errors) noexcept;
/// Whose whole set of conventions holds where nothing else is said (docs/multitau.md).
enum class Compat { none, xpcs_eigen, boost_corr };

struct Request {
  std::optional<std::string> input, qmap, job, metadata;
  std::optional<AnalysisType> type;
  std::optional<std::uint64_t> begin, end;  ///< 1-based, inclusive, counted in the file
  bool endAtMost = false;  ///< an end beyond that of the file is its end; otherwise an error, or frames without photons where the format has no number of frames
  std::optional<std::uint32_t> stride, average, dpl, threads;
  bool g2out = false;
  bool leverage = false;  ///< also find the pixels that pull g2
  std::uint32_t firstFrames = 0;  ///< also write so many frames of the series, where it has more; exchange layout
  std::optional<Layout> layout;
  std::optional<std::string> exchange, entry;
  Compat compat = Compat::none;
  std::optional<Errors> errors;
  std::optional<std::uint32_t> partials;  ///< time windows with a g2 of their own; 0: none
  std::optional<Averaging> averaging;  ///< of the static bins of a dynamic bin
  std::optional<Format> format;
  bool unsignedCounts = false;
  std::optional<PixelOrder> pixelOrder;
  std::optional<std::uint64_t> firstFrame;
  std::optional<double> frameTimeS;
  std::optional<std::string> startTime;  ///< ISO 8601, where the metadata say none; default: when the input was last changed
  std::optional<std::vector<std::uint32_t>> qBins;  ///< dynamic labels of the two-time analysis
  std::optional<Smoothing> smoothing;
  std::optional<SmoothingFilter> smoothingFilter;
  std::optional<std::uint32_t> window;  ///< frames of one row of g2partials
  std::optional<C2Form> c2;
  std::optional<Compression> compression;
  std::optional<double> memoryGb;
  bool streaming = false;  ///< memory with a bound that does not grow with the frames
  std::optional<std::string> badFrames;     ///< "1,5-9", counted in the file
  std::optional<std::string> monitor;       ///< text file, or FILE:/dataset
  std::optional<bool> normalizeByFrameSum;  ///< given: wins over the job file
  std::string out;
  bool overwrite = false;
  std::map<std::string, std::string> provenance;
};

/// One more q-map for the same pass over the data: its result is that of a run of its own with the request's other fields.
struct FurtherMap {
  std::string qmap, out;
  std::map<std::string, std::string> provenance;
};

/// Settings of a two-time analysis.
struct TwoTimeSettings {
  std::vector<std::uint32_t> bins;  ///< dynamic labels, ascending; empty: all
  Smoothing smoothing = Smoothing::none;
  SmoothingFilter filter = SmoothingFilter::none;
  std::uint32_t window = 1;
  C2Form c2 = C2Form::full;
  Compression compression = Compression::none;
  [[nodiscard]] bool matrix() const noexcept { return c2 != C2Form::multitau; }
  [[nodiscard]] bool blocks() const noexcept { return c2 != C2Form::full; }
  std::uint64_t memoryBytes = 0;  ///< limit of the run
};

/// Everything the analysis needs, resolved from the request, the job file and the q-map.
struct Settings {
  std::string input;
  std::vector<std::string> modules;  ///< the six files of a Rigaku 3M, or none
  Format format = Format::imm;
  Layout layout = Layout::nexus;
  AnalysisType type = AnalysisType::multitau;
  ReaderOptions reader;
  std::vector<std::int32_t> dqmap, sqmap;  ///< [height * width] of the data
  std::uint64_t begin = 1;
  std::optional<std::uint64_t> end;
  bool endAtMost = false;
  std::uint32_t stride = 1, average = 1, dpl = 4;
  std::uint32_t partials = 0;  ///< time windows with a g2 of their own
  std::uint32_t staticWindow = 0;  ///< 0: a tenth of the series
  std::uint64_t darkFrames = 0;
  double lld = 0, sigma = 0;
  std::vector<double> flatfield;  ///< [height * width] or empty
  bool normalizeByFrameSum = false;
  std::string badFrames;         ///< "1,5-9" or empty
  std::vector<double> monitor;   ///< one value per file frame, or empty
  SplitBins splitBins = SplitBins::error;
  Errors errors = Errors::influence;
  Averaging averaging = Averaging::plain;
  float normFactor = 0;
  std::string resultGroup = "/exchange";
  TwoTimeSettings twoTime;
  bool streaming = false;
  std::uint64_t streamBytesMax = 0;  ///< limit of the streams of a run
  std::uint32_t threads = 1;
  std::vector<std::string> warnings;
};

/// g2 of consecutive time windows. Matrices [P, D, Q] over the delays of the whole series; NaN where there is no value.
struct PartialG2 {
  std::uint64_t windowFrames = 0;  ///< 0: no windows
  std::vector<double> g2, error;
};

/// What one pixel does to g2 of its q bin. @source docs/leverage.md
struct LeveragePixel {
  std::uint32_t pixel = 0, dynamicBin = 0, staticBin = 0;  ///< all 0-based
  double countsPerFrame = 0;
  double brightness = 0;          ///< over the median of its static bin
  double change = 0;              ///< of g2 when this pixel alone is left out: mean over the lags that count
  double largestChange = 0;       ///< the largest of these
  std::uint64_t largestAt = 0;    ///< its delay, frames
  double pull = 0;                ///< what it adds to the sound pixels' g2, in standard errors: root mean square over the lags
  bool blemish = false;
};

struct Leverage {
  std::vector<LeveragePixel> pixels;                    ///< by q bin: blemishes, then the strongest others
  MomentCurves without;                                 ///< [D, Q] g2 and error without the blemishes
  std::vector<std::size_t> lagsJudged;                  ///< [Q] lags with pairs enough
  std::vector<std::uint32_t> mixedBins, unjudgedBins;   ///< static bins, 0-based: too many pixels differ; too few pixels or pairs
};

/// Ranges of frames, from the first to behind the last, sorted and apart.
using FrameRanges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

/// Counts of one analysis beside the correlation itself.
struct Measured {
  std::uint64_t framesRead = 0;             ///< file frames in the range
  std::vector<double> clockS, tick;         ///< [range] per file frame; NaN where the remainder was not read; empty with streaming
  std::vector<double> darkAverage, darkStd;  ///< [n] or empty
  FrameRanges bad;                          ///< frames of the series that do not count
  std::vector<double> monitor;              ///< [frames of the series] 0 for bad frames; or empty
  std::uint64_t markedReadings = 0;         ///< values that say "no reading", on pixels of the map
  PartialG2 partials = {};
  std::optional<Leverage> leverage = {};
  std::vector<float> firstFrames = {};      ///< [firstFrames, n] counts as processed, or empty
};

struct Summary {
  std::string out;
  Settings settings;
  std::uint64_t framesRead = 0, frames = 0, events = 0, pixels = 0;
  std::uint32_t dynamicBins = 0, staticBins = 0;
  std::size_t delays = 0;
  std::size_t valuesWithoutError = 0;  ///< of g2 [delays, dynamicBins]: fewer than kPairsForError photon pairs stand behind them
  std::size_t twoTimeBins = 0;  ///< 0: no two-time analysis
  std::uint64_t twoTimeBytes = 0;  ///< memory that it was said to need before it started
  std::uint64_t streamBytes = 0;   ///< most that a stream was said to take before it started; 0: no stream
  double readS = 0, correlateS = 0, writeS = 0, totalS = 0;
  std::uint64_t outBytes = 0;
};

/// Resolves a request. @throws invalid_argument, not_found, unsupported, corrupt_data
Settings resolve_settings(const Request& request);

/// The same for several q-maps of one detector: the request's first, then the further ones. A bad one is named.
std::vector<Settings> resolve_settings(std::span<const Request> requests);

/// One request per q-map. @throws invalid_argument the request itself has none
std::vector<Request> requests_of(const Request& request, std::span<const FurtherMap> further);

/// Frames that the raw file of the request holds; up to the last event where the format does not say. Reads the whole file then.
/// @throws as resolve_settings, canceled
std::uint64_t count_frames(const Request& request, const Control& control);

/// The files that hold the frames, the named one first: modules of a Rigaku 3M, data files behind an HDF5 master.
/// @throws not_found one of them is missing, and what opening the input throws
std::vector<std::string> input_files(const Settings& settings);

/// Runs it all; nothing is left at request.out when it throws.
Summary run_analysis(const Request& request, const Control& control);

/// Reads the file once for several q-maps. Nothing is published before every result is whole.
/// @returns one summary per q-map; the time of reading is that of the common pass
std::vector<Summary> run_analyses(const Request& request, std::span<const FurtherMap> further, const Control& control);

}  // namespace xpcs
