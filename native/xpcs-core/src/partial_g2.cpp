#include "partial_g2.hpp"

#include <algorithm>
#include <limits>

#include "bad_frames.hpp"
#include "result_file.hpp"

namespace xpcs {
namespace {

/// Sends every frame to the correlator of its window, and correlates a window when the one after the next begins.
class Windows final : public FrameSink {
 public:
  Windows(const Settings& settings, const Partition& partition, const CorrelatorOptions& options, const Measured& measured, std::uint64_t frames,
          const Control& control)
      : settings_(settings), partition_(partition), options_(options), measured_(measured), control_(control), columns_(partition.dynamicBins),
        delays_(multitau_delays(frames, settings.dpl).size()) {
    curves_.windowFrames = partial_window_frames(frames, settings.partials);
    options_.staticWindow = 0;
    curves_.g2.assign(settings.partials * delays_ * columns_, std::numeric_limits<double>::quiet_NaN());
    curves_.error = curves_.g2;
  }

  void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) override {
    split(frame, [&](Correlator& to, std::span<const std::uint32_t> own, std::size_t from) { to.push(own, pixel.subspan(from, own.size()), count.subspan(from, own.size())); });
  }
  void push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) override {
    split(frame, [&](Correlator& to, std::span<const std::uint32_t> own, std::size_t from) { to.push_real(own, pixel.subspan(from, own.size()), value.subspan(from, own.size())); });
  }
  void push_dense(std::uint32_t first, std::span<const std::uint16_t> rows, std::size_t pixels, bool signedCounts) override {
    std::uint64_t frame = first;
    for (std::size_t at = 0; at < rows.size();) {
      const std::uint64_t window = frame / curves_.windowFrames;
      if (window >= settings_.partials) return;
      const std::uint64_t left = (window + 1) * curves_.windowFrames - frame;
      const std::size_t n = std::min<std::size_t>(rows.size() - at, static_cast<std::size_t>(left) * pixels);
      correlator(window, frame).push_dense(rows.subspan(at, n), signedCounts);
      frame += n / pixels;
      at += n;
    }
  }
  void set_frames(std::uint64_t /*frames*/) override {
    while (first_ < settings_.partials) finish_first();
  }

  PartialG2 take() { return std::move(curves_); }

 private:
  /// Calls push(correlator, frames counted in its window, index of the first event) for every run of events of one window.
  template <class Push>
  void split(std::span<const std::uint32_t> frame, Push push) {
    for (std::size_t at = 0; at < frame.size();) {
      const std::uint64_t window = frame[at] / curves_.windowFrames;
      const auto begin = static_cast<std::uint32_t>(window * curves_.windowFrames);
      const std::size_t from = at;
      own_.clear();
      for (; at < frame.size() && frame[at] / curves_.windowFrames == window; ++at) own_.push_back(frame[at] - begin);
      if (window < settings_.partials) push(correlator(window, frame[from]), std::span<const std::uint32_t>(own_), from);
    }
  }

  Correlator& correlator(std::uint64_t window, std::uint64_t frame) {
    if (window < first_) {
      throw Error(Code::unsupported, "an event of frame " + std::to_string(frame + 1) + " of the series comes after frame " + std::to_string((first_ + 1) * curves_.windowFrames) +
                                         ": partial g2 needs the frames in order, or out of it by less than a window; use fewer --partials, or ranges (--begin, --end)");
    }
    while (window > first_ + 1) finish_first();
    std::optional<Correlator>& place = live_[window - first_];
    if (!place) place.emplace(partition_, options_);
    return *place;
  }

  void finish_first() {
    std::optional<Correlator> done = std::move(live_[0]);
    live_[0] = std::move(live_[1]);
    live_[1].reset();
    const std::uint64_t window = first_++;
    if (!done) return;  // no photon: no value
    const auto from = static_cast<std::ptrdiff_t>(window * curves_.windowFrames);
    const auto to = from + static_cast<std::ptrdiff_t>(curves_.windowFrames);
    const auto part = [&](const auto& all) { return all.empty() ? all : std::decay_t<decltype(all)>(all.begin() + from, all.begin() + to); };
    done->set_frames(curves_.windowFrames);
    if (!measured_.monitor.empty()) done->set_monitor(part(measured_.monitor));
    // Progress is that of the reading.
    CorrelationResult result = done->result({settings_.threads, false}, {{}, {}, control_.canceled});
    average_static_bins(settings_.averaging, result);
    const FrameRanges bad = frames_within(measured_.bad, window * curves_.windowFrames, (window + 1) * curves_.windowFrames);
    if (frames_of(bad) == curves_.windowFrames) return;
    if (!bad.empty()) correct_for_bad_frames(bad, 0, result);
    const std::vector<double> errors = standard_errors(settings_, partition_, result);
    const auto row = static_cast<std::ptrdiff_t>(window * delays_ * columns_);
    std::copy(result.g2.begin(), result.g2.end(), curves_.g2.begin() + row);
    std::copy(errors.begin(), errors.end(), curves_.error.begin() + row);
  }

  const Settings& settings_;
  const Partition& partition_;
  CorrelatorOptions options_;
  const Measured& measured_;
  const Control& control_;
  std::size_t columns_;
  std::size_t delays_;  // of the whole series; those of a window are the first of them
  PartialG2 curves_;
  std::uint64_t first_ = 0;
  std::optional<Correlator> live_[2];  // windows first_ and first_ + 1
  std::vector<std::uint32_t> own_;
};

}  // namespace

std::uint64_t partial_window_frames(std::uint64_t frames, std::uint32_t windows) {
  const std::uint64_t each = windows > 0 ? frames / windows : 0;
  if (each >= 2) return each;
  throw Error(Code::invalid_argument, std::to_string(windows) + " partials of a series of " + std::to_string(frames) + " frames would have " + std::to_string(each) +
                                          " frames each; a correlation needs 2: ask for at most " + std::to_string(frames / 2));
}

PartialG2 correlate_partials(FrameReader& reader, const Settings& settings, const Partition& partition, const CorrelatorOptions& options,
                             const Measured& measured, std::uint64_t frames, const Control& control) {
  Settings again = settings;  // what reading adds to them is known from the first pass
  Windows windows(settings, partition, options, measured, frames, control);
  FrameSink* const sinks[] = {&windows};
  (void)read_series(reader, {&again, 1}, sinks, control);
  return windows.take();
}

}  // namespace xpcs
