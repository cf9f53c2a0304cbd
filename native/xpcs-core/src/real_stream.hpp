// A stream of real values: counts of frames that are divided by their sum or by a monitor, or that darks were taken from. A frame's values
// wait until it is complete, since its sum divides them; then they go to their pixels (real_tile.hpp), and, not divided, to the static sums.
#pragma once
#include <cstdint>
#include <vector>

#include "intensity_trace.hpp"
#include "real_tile.hpp"
#include "xpcs/stream_correlator.hpp"

namespace xpcs {

class RealStream {
 public:
  /// The references must outlive it. @param correlation has the flatfield
  RealStream(const Partition& partition, const CorrelatorOptions& correlation, const StreamOptions& options);
  /// That the state takes at most, and folding and answering beside it.
  static std::uint64_t bytes_max(const Partition& partition, const StreamOptions& options);

  /// In the order of frames. Masked pixels are passed over; values of one frame and pixel add up in the order of the calls.
  void push(std::uint32_t frame, std::uint32_t pixel, double value) {
    const std::uint32_t rank = partition_.rankOfPixel[pixel];
    if (rank == Partition::kMasked) return;
    if (frame != newest_) complete(frame);
    const double gain = correlation_.pixelFactor.empty() ? value : value * correlation_.pixelFactor[pixel];
    newestSum_ += gain;
    trace_.add(frame, gain);
    ++events_;
    values_[rank] = lit_[rank] == 0 ? value : values_[rank] + value;
    if (lit_[rank] == 0) touched_.push_back(rank);
    lit_[rank] = 1;
  }
  /// The newest frame, if it is this one, is not one of the stream.
  void drop(std::uint32_t frame);
  void reach(std::uint64_t frames) { trace_.reach(frames); }
  [[nodiscard]] std::uint64_t events() const noexcept { return events_; }
  [[nodiscard]] const IntensityTrace& trace() const noexcept { return trace_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept;

  /// The correlation after task.frames frames, the newest one as if it were complete, into `out`. Changes nothing that shows.
  void answer(TileTask task, const ResultOptions& how, const Control& control, CorrelationResult& out);

 private:
  void complete(std::uint32_t next);
  template <class Total>
  void close_windows(RunWindows& run, std::uint64_t from, std::uint64_t to, Total total) const;
  [[nodiscard]] double divisor() const;
  [[nodiscard]] double scale(std::uint64_t frames) const;
  void list_newest(std::vector<RealBatch::Event>& events) const;
  void settle();
  void fold();
  void add_static(const TileTask& task, std::size_t tile, std::vector<RunSums<double>>& sums, std::vector<double>& pixelMean) const;

  const Partition& partition_;
  const CorrelatorOptions& correlation_;
  const StreamOptions& options_;
  std::uint32_t levelsMax_;
  double perFrame_;
  std::vector<RealTile> tiles_;
  std::vector<std::vector<RunWindows>> runs_;  // [tiles] of ranks
  IntensityTrace trace_;
  std::uint32_t newest_ = 0;
  double newestSum_ = 0;
  std::vector<double> values_;          // [ranks] of the newest frame
  std::vector<std::uint8_t> lit_;       // [ranks] whether it has one
  std::vector<std::uint32_t> touched_;  // those ranks, as they came
  std::vector<double> total_;           // [ranks] static sums of the frames before
  std::uint64_t window_ = 0;            // that is open
  double divisorSum_ = 0;               // of the frames before
  std::vector<RealBatch::Event> pending_;
  std::vector<RealBatch> batches_;
  std::uint64_t batchEvents_ = 0;
  std::uint64_t events_ = 0;
};

}  // namespace xpcs
