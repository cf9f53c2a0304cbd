// Multi-tau correlation of a series of frames: chunks of events in, result out, ask at any time.
// Keeps every photon of the valid pixels (4 bytes each, or 2; 16 for non-integer values) and correlates when asked; work and
// memory are proportional to photons, never to pixels x frames. Knows nothing of files.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "xpcs/control.hpp"
#include "xpcs/delays.hpp"
#include "xpcs/event_columns.hpp"
#include "xpcs/moments.hpp"
#include "xpcs/partition.hpp"

namespace xpcs {

struct CorrelatorOptions {
  std::uint32_t dpl = 4;
  /// The caller sums this many file frames into one; results are divided by it.
  std::uint32_t average = 1;
  /// Workers that take dense frames in.
  unsigned threads = 1;
  /// double [pixels], multiplied into the counts (flatfield); empty: none.
  std::vector<double> pixelFactor;
  /// Divide every frame by its mean over the mean of all frames (after the static outputs). A frame whose counts add up to 0 does not count.
  bool normalizeByFrameSum = false;
  /// What every frame of the series is divided by, over its mean, in the correlation (not in the static outputs), in place of
  /// normalizeByFrameSum; frames of 0 do not count; empty: none. May be set later.
  std::vector<double> monitor;
  /// Frames per row of partitionMeanPartial; 0: no rows. May be set later: it depends on the length of the series.
  std::uint32_t staticWindow = 0;
};

/// Matrices are row-major. D delays, Q dynamic bins, S static bins, n pixels, F frames, W windows.
struct CorrelationResult {
  std::uint64_t frames = 0;
  std::uint64_t events = 0;
  std::vector<Delay> delays;
  std::vector<double> g2;                    ///< [D, Q]; NaN where no static bin of q has a value
  std::vector<double> g2Err;                 ///< [D, Q]; from the pixels' influence on g2; NaN below kPairsForError pairs
  std::vector<double> g2SpreadErr;           ///< [D, Q]; XPCS-Eigen's: spread of the pixels' ratios / sqrt(N), empty pixels as 0
  Moments moments;                           ///< all that g2 and its error come from, for merging
  std::vector<double> partitionMeanTotal;    ///< [S]; NaN for a label without pixels
  std::vector<double> partitionMeanPartial;  ///< [W, S]
  std::vector<double> pixelMean;             ///< [n] counts per frame; 0 where masked
  std::vector<double> frameMean;             ///< [F / framesPerMean, rounded up] counts per pixel of the whole detector, masked ones in the divisor
  std::uint64_t framesPerMean = 1;           ///< frames of one value of frameMean; more than 1 only in a long stream
  std::vector<float> perPixelG2;             ///< [D, n] when asked for
  std::vector<float> perPixelIP;
  std::vector<float> perPixelIF;
};

struct ResultOptions {
  unsigned threads = 1;
  bool perPixel = false;
  Averaging averaging = Averaging::plain;  ///< for which the correlation between lags is; g2 and its errors are the plain mean's (average_static_bins)
};

/// Integer events made ready by Correlator::prepare.
struct PreparedEvents;

class Correlator {
 public:
  Correlator(Partition partition, CorrelatorOptions options);
  /// @param partition shared, not copied
  Correlator(std::shared_ptr<const Partition> partition, CorrelatorOptions options);
  ~Correlator();
  Correlator(Correlator&&) noexcept;
  Correlator& operator=(Correlator&&) noexcept;
  Correlator(const Correlator&) = delete;
  Correlator& operator=(const Correlator&) = delete;

  /// Adds integer events; pixels outside the partition are passed over. Order is free, repeated ones add up.
  /// @throws invalid_argument a pixel outside the detector, lengths that differ, real values were pushed before
  void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count);
  /// The part of `push` that needs nothing but its arguments, which are added to what was prepared before: on any thread, beside any
  /// other call. @param events made where null @throws as push
  void prepare(std::shared_ptr<PreparedEvents>& events, std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel,
               std::span<const std::int64_t> count) const;
  void prepare(std::shared_ptr<PreparedEvents>& events, const EventColumns& columns) const;
  /// No more come before `take`. On any thread, too, and most of the work; `take` does it where it was left out.
  void close(PreparedEvents& events) const;
  /// The rest of it: the events come after all that were pushed or taken before. Many of them at a time, or it is slow. Nothing is left in
  /// `events`, which can be used again.
  void take(PreparedEvents& events);
  /// Adds non-integer values (dark-subtracted data). One correlator takes either kind.
  void push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value);
  /// Adds the next whole frames, one byte per pixel and frame kept: for data of which most pixels count.
  /// @param rows uint16 [frames, pixels]; signedCounts: 0x8000 and above are negative, and count as 0
  /// @throws invalid_argument a length that is no multiple of the detector, a flatfield, other kinds pushed before
  void push_dense(std::span<const std::uint16_t> rows, bool signedCounts);
  /// The series has exactly this many frames; events beyond are ignored. Default: up to the last event's frame.
  void set_frames(std::uint64_t frames);
  void set_static_window(std::uint32_t frames);
  /// See CorrelatorOptions. At least as many as frames.
  void set_monitor(std::vector<double> monitor);
  [[nodiscard]] const Partition& partition() const noexcept;

  /// The correlation of all frames so far. Independent of threads and of how the events were chunked.
  /// @throws canceled, invalid_argument (counts too large to be summed exactly)
  [[nodiscard]] CorrelationResult result(const ResultOptions& options, const Control& control = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Name of the kernel path that this CPU takes.
const char* kernel_path() noexcept;

}  // namespace xpcs
