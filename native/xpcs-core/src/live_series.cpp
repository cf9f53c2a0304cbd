#include "xpcs/live_series.hpp"

#include <chrono>
#include <limits>

#include "formats/little_endian.hpp"
#include "formats/packed_frame.hpp"
#include "live_file.hpp"
#include "marked_pixels.hpp"
#include "partial_file.hpp"
#include "result_file.hpp"
#include "series_parts.hpp"
#include "stream_memory.hpp"
#include "stream_settings.hpp"

namespace xpcs {
namespace {

/// Frames whose number nobody knows.
class NoFrames final : public FrameReader {
 public:
  bool fetch(std::unique_ptr<StoredFrames>& /*stored*/) override { return false; }
  [[nodiscard]] std::uint64_t frames() const override { return 0; }
  [[nodiscard]] double position() const override { return 0; }
  [[nodiscard]] bool dense() const override { return false; }
  [[nodiscard]] bool openEnded() const override { return true; }
};

void append(std::vector<std::string>& to, const std::vector<std::string>& more) { to.insert(to.end(), more.begin(), more.end()); }

Request as_stream(Request request) {
  request.format = Format::stream;
  request.streaming = true;
  return request;
}

Settings live_settings(const Request& request, const LiveShape& shape) {
  Settings settings = resolve_settings(request);
  const auto refuse = [](const std::string& what) { throw Error(Code::unsupported, "a running stream does not take " + what); };
  if (settings.begin != 1 || settings.end || settings.stride != 1 || settings.average != 1) refuse("a range, stride or average of frames");
  if (!settings.badFrames.empty() || !settings.monitor.empty()) refuse("bad frames or a monitor");
  if (request.g2out || request.firstFrames > 0) refuse("outputs of single pixels or frames (--g2out)");
  if (settings.errors != Errors::influence) refuse("the errors of another program: only its own add up across gaps");
  const bool own = shape.height == 0 && shape.width == 0;
  if (!own && (settings.reader.height != shape.height || settings.reader.width != shape.width)) {
    throw Error(Code::invalid_argument, "the frames of " + settings.input + " are " + std::to_string(shape.height) + " x " + std::to_string(shape.width) + " (rows x columns), the q-map is " +
                                            std::to_string(settings.reader.height) + " x " + std::to_string(settings.reader.width) + "; use the q-map of this detector");
  }
  return settings;
}

}  // namespace

struct LiveSeries::State {
  Request request;
  Settings settings;
  Partition partition;
  StreamOptions plan;
  std::uint64_t bytesMax = 0;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  std::optional<StreamCorrelator> stream;  ///< of the present part
  CorrelationResult before;                ///< the parts before it
  std::uint64_t beforeEnd = 0;             ///< behind the last frame of those
  std::uint64_t base = 0;                  ///< where the present part begins
  std::uint64_t frames = 0;
  std::uint64_t missing = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> gaps;
  std::uint64_t rigakuFrame = 0, rigakuWords = 0;  ///< of a Rigaku file: newest frame, words so far
  std::unique_ptr<LiveFile> file;
  std::vector<std::string> fileWarnings;  ///< of the files before it
  MarkedPixels marked;
  std::vector<std::uint32_t> frameOf, pixelOf;  // of a block, reused
  std::vector<std::int64_t> countOf;
  FrameBatch batch;  // of a packed frame, reused, as the next two
  std::vector<std::uint8_t> words;
  h5::FilterScratch scratch;

  State(const Request& asked, const LiveShape& shape, const Control& control)
      : request(as_stream(asked)), settings(live_settings(request, shape)),
        partition(make_partition(settings.reader.height, settings.reader.width, settings.dqmap, settings.sqmap, settings.splitBins)) {
    CorrelatorOptions how;
    how.dpl = settings.dpl;
    how.threads = settings.threads;
    how.pixelFactor = settings.flatfield;
    how.normalizeByFrameSum = settings.normalizeByFrameSum;
    const NoFrames nobodyKnows;
    plan = plan_stream(request, settings, partition, how, nobodyKnows, 0, 0, control, bytesMax);
    stream.emplace(partition, plan);
  }

  [[nodiscard]] std::uint32_t local(std::uint64_t frame) const {
    if (frame < base) throw Error(Code::corrupt_data, "frame " + std::to_string(frame) + " comes after a later one");
    if (frame - base >= std::numeric_limits<std::uint32_t>::max()) throw Error(Code::unsupported, "a part of a stream has at most 2^32 - 1 frames; begin a new stream");
    return static_cast<std::uint32_t>(frame - base);
  }
  [[nodiscard]] ResultOptions how() const { return {settings.threads, false, settings.averaging}; }

  /// With the plain mean of the static bins, as a correlator answers.
  [[nodiscard]] CorrelationResult plain() const {
    CorrelationResult now = stream->result(how());
    if (before.frames == 0 && base == 0) return now;
    CorrelationResult all = before;
    add_part(all, beforeEnd, now, base, kStreamIntensityRows);
    return all;
  }
};

LiveSeries::LiveSeries(const Request& request, const LiveShape& shape, const Control& control) : state_(std::make_unique<State>(request, shape, control)) {}
LiveSeries::~LiveSeries() = default;

void LiveSeries::push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) {
  State& s = *state_;
  if (frame.empty()) return;
  s.frameOf.clear();
  for (const std::uint32_t f : frame) s.frameOf.push_back(s.local(f));
  s.stream->push(s.frameOf, pixel, count);
  s.frames = std::max(s.frames, std::uint64_t{frame.back()} + 1);
}

void LiveSeries::push_words(std::span<const std::byte> words, std::uint64_t first, std::uint64_t frames) {
  State& s = *state_;
  if (words.size() % 8 != 0) throw Error(Code::corrupt_data, "a block of photons ends within its event " + std::to_string(words.size() / 8));
  if (first < s.frames) throw Error(Code::corrupt_data, "the block begins at frame " + std::to_string(first) + ", which is not after frame " + std::to_string(s.frames) + " of the stream");
  const std::size_t n = words.size() / 8;
  const std::uint32_t base = s.local(first);
  (void)s.local(first + frames);
  const std::uint32_t pixels = s.partition.pixels();
  s.frameOf.resize(n);
  s.pixelOf.resize(n);
  s.countOf.resize(n);
  std::uint64_t newest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const auto word = load<std::uint64_t>(words, 8 * i);
    const std::uint64_t delta = word >> 44;
    const auto pixel = static_cast<std::uint32_t>(word >> 16 & 0xFFFFFFF);
    if (delta < newest || delta >= frames || pixel >= pixels) {
      throw Error(Code::corrupt_data, "event " + std::to_string(i) + " of a block says frame " + std::to_string(delta) + " of " + std::to_string(frames) + ", pixel " + std::to_string(pixel) +
                                          " of " + std::to_string(pixels) + (delta < newest ? ": the frame comes after a later one" : ""));
    }
    newest = delta;
    s.frameOf[i] = base + static_cast<std::uint32_t>(delta);
    s.pixelOf[i] = pixel;
    s.countOf[i] = static_cast<std::int64_t>(word & 0xFFFF);
  }
  s.stream->push(s.frameOf, s.pixelOf, s.countOf);
  s.frames = first + frames;
  s.stream->set_frames(s.local(s.frames));
}

std::uint64_t LiveSeries::push_frame(const PackedFrame& packed) {
  State& s = *state_;
  s.batch.clear();
  const std::uint32_t frame = s.local(s.frames);
  if (const std::string wrong = append_frame(packed, s.partition.pixels(), frame, s.words, s.scratch, s.batch); !wrong.empty()) {
    throw Error(Code::corrupt_data, "the image of frame " + std::to_string(s.frames) + " is damaged: " + wrong);
  }
  s.stream->push(s.batch.frame, s.batch.pixel, s.batch.count);
  s.frames += 1;
  s.stream->set_frames(s.local(s.frames));
  for (const std::uint32_t pixel : s.batch.markedPixel) s.marked.add(pixel, s.settings);
  return s.batch.frame.size();
}

std::uint64_t LiveSeries::push_rigaku(std::span<const std::byte> words, std::uint64_t end) {
  constexpr std::uint64_t kCounterRange = std::uint64_t{1} << 24;
  State& s = *state_;
  if (words.size() % 8 != 0) throw Error(Code::corrupt_data, "Rigaku words come whole, and these end within word " + std::to_string(words.size() / 8));
  s.frameOf.clear();
  s.pixelOf.clear();
  s.countOf.clear();
  std::uint64_t newest = s.rigakuFrame;
  for (std::size_t i = 0; i < words.size() / 8; ++i) {
    const auto word = load<std::uint64_t>(words, 8 * i);
    const std::uint64_t counter = word >> 40;
    const auto pixel = static_cast<std::uint32_t>(word >> 16 & 0x1FFFFF);
    const std::uint64_t ahead = (counter - newest) % kCounterRange;  // unsigned: the counter goes round
    if (ahead >= kCounterRange / 2 || pixel >= s.partition.pixels()) {
      throw Error(Code::corrupt_data, "Rigaku word " + std::to_string(s.rigakuWords + i) + " says frame " + std::to_string(counter) + " after " + std::to_string(newest % kCounterRange) + ", pixel " +
                                          std::to_string(pixel) + " of " + std::to_string(s.partition.pixels()));
    }
    newest += ahead;
    if (newest >= end) break;
    s.frameOf.push_back(s.local(newest));
    s.pixelOf.push_back(pixel);
    s.countOf.push_back(static_cast<std::int64_t>(word & 0xFFF));
  }
  s.stream->push(s.frameOf, s.pixelOf, s.countOf);
  if (!s.frameOf.empty()) {
    s.rigakuFrame = s.base + s.frameOf.back();
    s.frames = std::max(s.frames, s.rigakuFrame + 1);
  }
  s.rigakuWords += s.frameOf.size();
  return s.frameOf.size();
}

void LiveSeries::open_file(const std::string& path, Format format) {
  State& s = *state_;
  if (s.file != nullptr) append(s.fileWarnings, s.file->warnings());
  s.file.reset();
  s.file = std::make_unique<LiveFile>(path, format, s.settings.reader);
}

FilePiece LiveSeries::take_file(std::uint64_t end, bool ended) {
  State& s = *state_;
  if (s.file == nullptr) throw Error(Code::invalid_argument, "no file is open");
  const LiveFrames& came = s.file->next(end - std::min(end, s.frames), ended);
  FilePiece piece{came.frames, 0, s.file->waits(), s.file->closed()};
  if (came.frames == 0) return piece;
  const std::uint32_t base = s.local(s.frames);
  (void)s.local(s.frames + came.frames);
  const FrameBatch& batch = came.batch;
  if (!came.rows.empty()) {
    s.stream->push_dense(base, came.rows, came.signedCounts);
    piece.events = static_cast<std::uint64_t>(std::count_if(came.rows.begin(), came.rows.end(), [](std::uint16_t count) { return count != 0; }));
  } else {
    s.frameOf.resize(batch.frame.size());
    std::transform(batch.frame.begin(), batch.frame.end(), s.frameOf.begin(), [&](std::uint32_t frame) { return static_cast<std::uint32_t>(base + (frame - came.first)); });
    s.stream->push(s.frameOf, batch.pixel, batch.count);
    piece.events = batch.frame.size();
  }
  for (const std::uint32_t pixel : batch.markedPixel) s.marked.add(pixel, s.settings);
  s.frames += came.frames;
  s.stream->set_frames(s.frames - s.base);
  return piece;
}

void LiveSeries::gap(std::uint64_t frames) {
  State& s = *state_;
  if (frames == 0) return;
  if (s.frames > std::numeric_limits<std::uint64_t>::max() / 4 || frames > std::numeric_limits<std::uint64_t>::max() / 4) throw Error(Code::corrupt_data, "a gap of more frames than a stream can have");
  if (s.frames > s.base) {
    s.stream->set_frames(s.frames - s.base);
    add_part(s.before, s.beforeEnd, s.stream->result(s.how()), s.base, kStreamIntensityRows);
    s.beforeEnd = s.frames;
    s.stream.reset();
    s.stream.emplace(s.partition, s.plan);
  }
  if (!s.gaps.empty() && s.gaps.back().second == s.frames) s.gaps.back().second += frames;
  else s.gaps.emplace_back(s.frames, s.frames + frames);
  s.frames += frames;
  s.missing += frames;
  s.base = s.frames;
}

void LiveSeries::set_frames(std::uint64_t frames) {
  State& s = *state_;
  if (frames < s.frames) throw Error(Code::invalid_argument, "the stream has " + std::to_string(s.frames) + " frames, more than " + std::to_string(frames));
  s.stream->set_frames(s.local(frames));
  s.frames = frames;
}

std::uint64_t LiveSeries::frames() const noexcept { return state_->frames; }
std::uint64_t LiveSeries::missing() const noexcept { return state_->missing; }
const std::vector<std::pair<std::uint64_t, std::uint64_t>>& LiveSeries::gaps() const noexcept { return state_->gaps; }
const Partition& LiveSeries::partition() const noexcept { return state_->partition; }
const Settings& LiveSeries::settings() const noexcept { return state_->settings; }
std::uint64_t LiveSeries::bytes_max() const noexcept { return state_->bytesMax; }

std::vector<double> LiveSeries::wave_vectors() const {
  std::vector<double> out(state_->partition.dynamicBins, std::numeric_limits<double>::quiet_NaN());
  if (!state_->request.qmap) return out;
  const h5::File qmap = h5::File::open(*state_->request.qmap);
  const std::vector<std::int64_t> place = qmap.wholes("/qmap/dynamic_index_mapping");
  const std::vector<double> q = qmap.doubles("/qmap/dynamic_v_list_dim0");
  const std::size_t second = std::max<std::size_t>(1, qmap.doubles("/qmap/dynamic_v_list_dim1").size());
  for (std::size_t bin = 0; bin < out.size() && bin < place.size(); ++bin) {
    const std::size_t at = static_cast<std::size_t>(std::max<std::int64_t>(0, place[bin])) / second;
    if (at < q.size()) out[bin] = q[at];
  }
  return out;
}

CorrelationResult LiveSeries::result() const {
  if (state_->frames == state_->missing) throw Error(Code::invalid_argument, "the stream has no frame yet");
  return state_->plain();
}

Summary LiveSeries::write(const std::map<std::string, std::string>& provenance, const std::vector<std::string>& warnings) const {
  const auto begun = std::chrono::steady_clock::now();
  CorrelationResult result = this->result();
  Settings settings = state_->settings;
  settings.staticWindow = static_cast<std::uint32_t>(std::min<std::uint64_t>(result.frames, std::numeric_limits<std::uint32_t>::max()));
  append(settings.warnings, state_->fileWarnings);
  if (state_->file != nullptr) append(settings.warnings, state_->file->warnings());
  if (const auto warning = state_->marked.warning()) settings.warnings.push_back(*warning);
  append(settings.warnings, warnings);
  average_static_bins(settings.averaging, result);
  Request request = state_->request;
  for (const auto& [name, value] : provenance) request.provenance[name] = value;
  Measured measured;
  measured.framesRead = state_->frames;
  measured.markedReadings = state_->marked.readings;
  const auto seconds = [](auto since) { return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count(); };
  Summary summary;
  summary.correlateS = seconds(begun);
  PartialFile partial(request.out);
  {
    h5::File file = h5::File::create(partial.path());
    write_correlation(file, {request, settings, state_->partition, result, measured});
    file.flush();
  }
  partial.publish(request.overwrite);
  summary.out = request.out;
  summary.framesRead = measured.framesRead;
  summary.frames = result.frames;
  summary.events = result.events;
  summary.pixels = state_->partition.pixelOfRank.size();
  summary.dynamicBins = state_->partition.dynamicBins;
  summary.staticBins = state_->partition.staticBins;
  summary.delays = result.delays.size();
  summary.valuesWithoutError = values_without_error(settings, state_->partition, result);
  summary.streamBytes = state_->bytesMax;
  summary.settings = std::move(settings);
  summary.writeS = seconds(begun) - summary.correlateS;
  summary.totalS = seconds(state_->start);
  return summary;
}

}  // namespace xpcs
