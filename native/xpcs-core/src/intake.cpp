#include "intake.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "bad_frames.hpp"
#include "event_packing.hpp"
#include "frame_pipeline.hpp"
#include "marked_pixels.hpp"
#include "monitor.hpp"

namespace xpcs {
namespace {

/// Fewer events than this are pushed: a correlator collects them.
constexpr std::size_t kPrepareEvents = std::size_t{1} << 16;

/// Mean and population spread of raw * flatfield over the dark frames. @source XPCS-Eigen (docs/job-file.md, darks)
class Darks {
 public:
  Darks(std::uint64_t frames, std::size_t pixels, const std::vector<double>& flatfield)
      : frames_(static_cast<double>(frames)), flatfield_(flatfield), average(pixels, 0.0), spread(pixels, 0.0) {}

  void add(std::uint32_t pixel, std::int64_t count) {
    const double value = static_cast<double>(count) * (flatfield_.empty() ? 1.0 : flatfield_[pixel]);
    average[pixel] += value;
    spread[pixel] += value * value;
  }
  void finish() {
    for (std::size_t p = 0; p < average.size(); ++p) {
      average[p] /= frames_;
      const double variance = spread[p] / frames_ - average[p] * average[p];
      spread[p] = std::sqrt(std::max(variance, 0.0));
    }
  }

 private:
  double frames_;
  const std::vector<double>& flatfield_;

 public:
  std::vector<double> average, spread;
};

/// One pass over the file.
class Intake {
 public:
  Intake(FrameReader& reader, std::span<Settings> maps, std::span<FrameSink* const> sinks)
      : reader_(reader), maps_(maps), settings_(maps.front()), sinks_(sinks),
        allPrepare_(std::all_of(sinks.begin(), sinks.end(), [](const FrameSink* sink) { return sink->prepares(); })), darkFrames_(reader.dense() ? settings_.darkFrames : 0),
        plan_(plan_frames(settings_, reader)),
        darks_(darkFrames_, darkFrames_ > 0 ? settings_.dqmap.size() : 0, settings_.flatfield), marked_(maps.size()) {
    if (settings_.darkFrames > 0 && !reader.dense()) {
      warn_all("the dark frames are not used: they apply to data that store every pixel (uncompressed IMM)");
    }
    bad_ = FrameList::parse(settings_.badFrames);
    if (!bad_.empty() && bad_.first() <= darkFrames_) {
      throw Error(Code::invalid_argument, "bad frame " + std::to_string(bad_.first()) + " is one of the " + std::to_string(darkFrames_) + " dark frames; leave it out of the list");
    }
    badOfSeries_ = bad_.of_series(plan_);
    if (settings_.end) fileFrames_ = *settings_.end - settings_.begin + 1;
  }

  std::vector<Measured> run(const Control& control) {
    const std::uint64_t last = fileFrames_ ? plan_.first + *fileFrames_ - 1 : std::numeric_limits<std::uint64_t>::max();
    reader_.want(darkFrames_ > 0 ? 0 : plan_.first, last);
    if (darkFrames_ > 0 || (may_be_whole() && (reader_.dense() || reader_.crowded()))) {
      take_whole_frames(control);
    } else {
      run_pipeline<Piece>(reader_, std::max(settings_.threads, 1U), [this](Piece& piece) { work_on(piece); }, [&](Piece& piece) { take(piece, control); });
    }
    warn();
    finish_darks();
    std::vector<Measured> all(maps_.size(), measured());
    for (std::size_t k = 0; k < all.size(); ++k) all[k].markedReadings = marked_[k].readings;
    return all;
  }

 private:
  /// Frames on their way from the file to the sinks.
  struct Piece : FetchedPiece {
    FrameBatch batch;                     // of the run; of columns the headers of its last part
    FrameBatch headers;                   // headers and marked readings of all
    EventColumns columns;                 // of the run's last part, in place of the batch
    std::vector<std::uint32_t> frame, pixel;  // the events that count, unless all of the batch do as they are
    std::vector<std::int64_t> count;
    bool direct = false;
    bool prepared = false;  // sinks that prepare have the events in `events`; all others get them pushed
    std::vector<std::shared_ptr<PreparedEvents>> events;  // [sinks]
  };

  void take_whole_frames(const Control& control) {
    FrameBatch headers;
    std::vector<std::uint16_t> rows;
    while (reader_.next_dense(headers, rows)) {
      control.check();
      control.report(Stage::reading, reader_.position());
      take_headers(headers);
      if (darkFrames_ > 0) {
        take_dark_rows(headers, rows);
        continue;
      }
      const std::uint64_t first = headers.headerStart - plan_.first;
      const bool signedCounts = reader_.dense() && !settings_.reader.unsignedCounts;
      for (const auto& sink : sinks_) sink->push_dense(static_cast<std::uint32_t>(first), rows, settings_.dqmap.size(), signedCounts);
      count_marked(headers);
    }
  }

  /// On any thread.
  void work_on(Piece& piece) const {
    piece.prepared = false;
    piece.headers.clear();
    piece.events.resize(sinks_.size());
    if (allPrepare_ && piece.stored->column_events() >= kPrepareEvents) prepare_columns(piece);
    else prepare_batch(piece);
    for (std::size_t k = 0; k < sinks_.size(); ++k) {
      if (piece.prepared && sinks_[k]->prepares()) sinks_[k]->close(*piece.events[k]);
    }
  }

  void prepare_columns(Piece& piece) const {
    piece.prepared = true;
    for (std::size_t part = 0; part < piece.stored->parts(); ++part) {
      piece.stored->decode_columns(part, piece.batch, piece.columns);
      keep_headers(piece);
      select(piece.columns);
      for (std::size_t k = 0; k < sinks_.size(); ++k) sinks_[k]->prepare(piece.events[k], piece.columns);
    }
  }

  void prepare_batch(Piece& piece) const {
    piece.stored->decode(piece.batch);
    keep_headers(piece);
    piece.direct = direct(piece.batch);
    if (!piece.direct) select(piece);
    const auto [frame, pixel, count] = events_of(piece);
    piece.prepared = frame.size() >= kPrepareEvents;
    for (std::size_t k = 0; k < sinks_.size(); ++k) {
      if (piece.prepared && sinks_[k]->prepares()) sinks_[k]->prepare(piece.events[k], frame, pixel, count);
    }
  }

  static void keep_headers(Piece& piece) {
    FrameBatch& to = piece.headers;
    const FrameBatch& from = piece.batch;
    if (to.clockS.empty()) to.headerStart = from.headerStart;
    const auto append = [](auto& all, const auto& more) { all.insert(all.end(), more.begin(), more.end()); };
    append(to.clockS, from.clockS);
    append(to.tick, from.tick);
    append(to.markedFrame, from.markedFrame);
    append(to.markedPixel, from.markedPixel);
  }

  void take(Piece& piece, const Control& control) {
    control.check();
    control.report(Stage::reading, reader_.position());
    take_headers(piece.headers);
    const auto [frame, pixel, count] = events_of(piece);
    for (std::size_t k = 0; k < sinks_.size(); ++k) {
      if (piece.prepared && sinks_[k]->prepares()) sinks_[k]->take(*piece.events[k]);
      else sinks_[k]->push(frame, pixel, count);
    }
    count_marked(piece.headers);
  }

  struct Events {
    std::span<const std::uint32_t> frame, pixel;
    std::span<const std::int64_t> count;
  };
  [[nodiscard]] static Events events_of(const Piece& piece) {
    if (piece.direct) return {piece.batch.frame, piece.batch.pixel, piece.batch.count};
    return {piece.frame, piece.pixel, piece.count};
  }

  void take_headers(const FrameBatch& batch) {
    if (settings_.streaming) return;  // no row for every frame is kept
    for (std::size_t i = 0; i < batch.clockS.size(); ++i) {
      const std::uint64_t frame = batch.headerStart + i;
      if (frame < plan_.first || (fileFrames_ && frame >= plan_.first + *fileFrames_)) continue;
      clockS_.push_back(batch.clockS[i]);
      tick_.push_back(batch.tick[i]);
    }
  }

  /// Frames can be kept whole where each frame of the file is one of the series, as it is.
  [[nodiscard]] bool may_be_whole() const { return plan_.block() == 1 && darkFrames_ == 0 && settings_.flatfield.empty() && bad_.empty(); }

  /// Every event counts as it is: the frames of the file are those of the series.
  [[nodiscard]] bool direct(const FrameBatch& batch) const {
    if (plan_.first > 0 || plan_.block() > 1 || darkFrames_ > 0 || reader_.dense() || !bad_.empty()) return false;
    return !fileFrames_ || batch.frame.empty() || event_packing().range(batch.frame.data(), batch.frame.size()).second < *fileFrames_;
  }

  /// The events of the frames that count, by frame of the series.
  void select(Piece& piece) const {
    const FrameBatch& batch = piece.batch;
    piece.frame.clear();
    piece.pixel.clear();
    piece.count.clear();
    // Photons of one frame come together: where it goes is worked out once.
    for (std::size_t i = 0; i < batch.frame.size();) {
      std::size_t end = i + 1;
      while (end < batch.frame.size() && batch.frame[end] == batch.frame[i]) ++end;
      std::uint64_t seriesFrame = 0;
      if (plan_.map(batch.frame[i], seriesFrame) && !beyond(seriesFrame) && !is_bad(seriesFrame)) {
        for (std::size_t j = i; j < end; ++j) {
          if (reader_.dense() && batch.count[j] <= 0) continue;
          piece.frame.push_back(static_cast<std::uint32_t>(seriesFrame));
          piece.pixel.push_back(batch.pixel[j]);
          piece.count.push_back(batch.count[j]);
        }
      }
      i = end;
    }
  }

  /// Leaves the runs of frames that count, by frame of the series.
  void select(EventColumns& columns) const {
    std::size_t kept = 0;
    for (const EventColumns::Run& run : columns.runs) {
      std::uint64_t seriesFrame = 0;
      if (!plan_.map(run.frame, seriesFrame) || beyond(seriesFrame) || is_bad(seriesFrame)) continue;
      columns.runs[kept++] = {static_cast<std::uint32_t>(seriesFrame), run.first, run.events};
    }
    columns.runs.resize(kept);
  }

  /// True where one of the file frames that make the frame is bad.
  [[nodiscard]] bool is_bad(std::uint64_t seriesFrame) const { return contains_frame(badOfSeries_, seriesFrame); }

  void count_marked(const FrameBatch& batch) {
    for (std::size_t i = 0; i < batch.markedFrame.size(); ++i) {
      std::uint64_t seriesFrame = 0;
      if (!plan_.map(batch.markedFrame[i], seriesFrame)) continue;
      for (std::size_t k = 0; k < maps_.size(); ++k) marked_[k].add(batch.markedPixel[i], maps_[k]);
    }
  }

  void warn_all(const std::string& warning) {
    for (Settings& map : maps_) map.warnings.push_back(warning);
  }

  void warn() {
    for (const std::string& warning : reader_.warnings()) warn_all(warning);
    for (std::size_t k = 0; k < maps_.size(); ++k) {
      if (const auto warning = marked_[k].warning()) maps_[k].warnings.push_back(*warning);
    }
  }

  [[nodiscard]] bool beyond(std::uint64_t seriesFrame) const { return fileFrames_ && seriesFrame >= plan_.series_frames(*fileFrames_); }

  /// Frames with darks: the first ones of the file are the darks, the others count above the threshold. Zeros take part: above a
  /// negative dark they count.
  void take_dark_rows(const FrameBatch& headers, const std::vector<std::uint16_t>& rows) {
    const std::size_t pixels = settings_.dqmap.size();
    frame_.clear();
    pixel_.clear();
    real_.clear();
    for (std::size_t k = 0; k < rows.size() / pixels; ++k) {
      const std::uint64_t fileFrame = headers.headerStart + k;
      std::uint64_t seriesFrame = 0;
      const bool dark = fileFrame < darkFrames_;
      if (!dark && (!plan_.map(fileFrame, seriesFrame) || beyond(seriesFrame) || is_bad(seriesFrame))) continue;
      if (!dark) finish_darks();
      for (std::uint32_t pixel = 0; pixel < pixels; ++pixel) {
        const std::uint16_t raw = rows[k * pixels + pixel];
        const std::int64_t count = settings_.reader.unsignedCounts ? std::int64_t{raw} : std::int64_t{static_cast<std::int16_t>(raw)};
        if (dark) darks_.add(pixel, count);
        else take_above_dark(static_cast<std::uint32_t>(seriesFrame), pixel, count);
      }
    }
    for (const auto& sink : sinks_) sink->push_real(frame_, pixel_, real_);
  }

  /// One raw count under darks, compared in single precision as XPCS-Eigen does.
  void take_above_dark(std::uint32_t seriesFrame, std::uint32_t pixel, std::int64_t count) {
    const float value = std::max(static_cast<float>(static_cast<double>(count) - darks_.average[pixel]), 0.0F);
    if (value <= static_cast<float>(settings_.lld + settings_.sigma * darks_.spread[pixel])) return;
    frame_.push_back(seriesFrame);
    pixel_.push_back(pixel);
    real_.push_back(value * (settings_.flatfield.empty() ? 1.0 : settings_.flatfield[pixel]));
  }

  void finish_darks() {
    if (darkFrames_ == 0 || darksFinished_) return;
    darks_.finish();
    darksFinished_ = true;
  }

  /// Frames by which the range moved because it began inside the darks.
  [[nodiscard]] std::uint64_t shift() const { return plan_.first - (settings_.begin - 1); }
  [[nodiscard]] bool shifted() const { return shift() > 0; }

  Measured measured() {
    const std::uint64_t held = reader_.frames();
    const std::uint64_t begin = plan_.first + 1;
    const std::string holds = settings_.input + " holds " + std::to_string(held) + " frames";
    if (held <= plan_.first) throw Error(Code::invalid_argument, holds + ", the range from frame " + std::to_string(begin) + " on is empty");
    if (settings_.endAtMost && fileFrames_) fileFrames_ = std::min(*fileFrames_, held - plan_.first);
    if (!reader_.openEnded() && fileFrames_ && plan_.first + *fileFrames_ > held) {
      throw Error(Code::invalid_argument, holds + (darkFrames_ > 0 ? " (darks included)" : "") + ", the range " + std::to_string(begin) + " to " +
                                              std::to_string(plan_.first + *fileFrames_) + " reaches beyond" + (shifted() ? " (it begins after the darks)" : std::string()) + "; end at " + std::to_string(held - shift()) + " or earlier");
    }
    const std::uint64_t range = fileFrames_.value_or(held - plan_.first);
    const std::uint64_t frames = plan_.series_frames(range);
    if (frames < 2) {
      throw Error(Code::invalid_argument, "the range of " + std::to_string(range) + " frames gives " + std::to_string(frames) + " after stride " +
                                              std::to_string(plan_.stride) + " and average " + std::to_string(plan_.average) + "; a correlation needs at least 2");
    }
    for (const auto& sink : sinks_) sink->set_frames(frames);
    for (Settings& map : maps_) {
      if (map.staticWindow == 0) map.staticWindow = static_cast<std::uint32_t>((frames + 9) / 10);
    }
    Measured measured{range, std::move(clockS_), std::move(tick_), {}, {}, {}, {}, 0};
    measured.bad = frames_within(badOfSeries_, 0, frames);
    if (!settings_.monitor.empty()) check_monitor(settings_.monitor, plan_, badOfSeries_, frames);
    if (!settings_.monitor.empty() && !settings_.streaming) measured.monitor = monitor_of_series(settings_.monitor, plan_, badOfSeries_, frames);
    if (darkFrames_ > 0) {
      measured.darkAverage = std::move(darks_.average);
      measured.darkStd = std::move(darks_.spread);
    }
    if (settings_.streaming) return measured;
    if (measured.clockS.empty()) number_frames(range, measured);
    // XPCS-Eigen leaves the remainder after the last whole block undefined; NaN says so.
    measured.clockS.resize(range, std::numeric_limits<double>::quiet_NaN());
    measured.tick.resize(range, std::numeric_limits<double>::quiet_NaN());
    for (std::uint64_t i = frames * plan_.block(); i < range; ++i) measured.clockS[i] = measured.tick[i] = std::numeric_limits<double>::quiet_NaN();
    return measured;
  }

  /// Formats without timestamps give the frame's index in the file.
  void number_frames(std::uint64_t range, Measured& measured) const {
    for (std::uint64_t i = 0; i < range; ++i) {
      measured.clockS.push_back(static_cast<double>(plan_.first + i));
      measured.tick.push_back(static_cast<double>(plan_.first + i));
    }
  }

  FrameReader& reader_;
  std::span<Settings> maps_;
  const Settings& settings_;  // of the first map: all of them read the file alike
  std::span<FrameSink* const> sinks_;
  bool allPrepare_;
  std::uint64_t darkFrames_;
  FramePlan plan_;
  Darks darks_;
  bool darksFinished_ = false;
  std::optional<std::uint64_t> fileFrames_;
  FrameList bad_;
  FrameRanges badOfSeries_;
  std::vector<MarkedPixels> marked_;  // [maps]
  std::vector<double> clockS_, tick_;
  std::vector<std::uint32_t> frame_, pixel_;
  std::vector<double> real_;
};

}  // namespace

FramePlan plan_frames(const Settings& settings, const FrameReader& reader) {
  return {std::max(reader.dense() ? settings.darkFrames : 0, settings.begin - 1), settings.stride, settings.average};
}

std::vector<Measured> read_series(FrameReader& reader, std::span<Settings> maps, std::span<FrameSink* const> sinks, const Control& control) {
  return Intake(reader, maps, sinks).run(control);
}

}  // namespace xpcs
