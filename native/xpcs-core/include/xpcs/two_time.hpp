// Two-time correlation of selected q bins: C2(t1, t2) for every pair of frames, half matrix with diagonal, and the curves
// along its diagonals. Takes the frames of one pass, keeps only the photons of the selected bins, and hands the matrix out in
// bands of rows, so that it is never held whole. Definitions and their sources: docs/twotime.md. Knows nothing of files.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "xpcs/control.hpp"
#include "xpcs/delays.hpp"
#include "xpcs/frame_sink.hpp"
#include "xpcs/partition.hpp"

namespace xpcs {

/// What a frame is divided by before the product (docs/twotime.md).
enum class Smoothing {
  none,        ///< the bin's own mean: of the frame, or of a window around it where frames have few photons
  symmetric,   ///< XPCS-Eigen: mean of the dynamic bin in the frame
  static_map,  ///< XPCS-Eigen: mean of the static bin in the frame
  sqmap,       ///< boost_corr: mean of the static bin, then n_pix / (s s^T)
  dqmap,       ///< boost_corr: mean of the dynamic bin, then n_pix / (s s^T)
};
const char* smoothing_name(Smoothing smoothing) noexcept;

enum class SmoothingFilter { none, average };

struct TwoTimeOptions {
  std::vector<std::uint32_t> bins;  ///< dynamic labels, 1-based, ascending
  Smoothing smoothing = Smoothing::none;
  SmoothingFilter filter = SmoothingFilter::none;
  std::uint32_t window = 1;  ///< frames of one row of g2partials
  std::uint32_t average = 1;  ///< the caller sums this many file frames into one
  std::vector<double> pixelFactor;  ///< [pixels], multiplied into the counts (flatfield); empty: none
  bool normalizeByFrameSum = false;
  bool matrix = true;                   ///< C2 itself, and the curves along its diagonals
  std::uint32_t multitauDpl = 0;        ///< delays per level of the multi-tau two-time; 0: none
  std::uint64_t bytesMax = UINT64_MAX;  ///< photons kept beyond this are refused
};

/// Means of C2 over blocks of frames that grow with the lag (docs/twotime.md). D delays, B bins, A bins of age.
struct MultitauTwoTime {
  std::vector<Delay> delays;               ///< [D] those of multi-tau
  std::vector<std::uint64_t> start;        ///< [D + 1] where the values of a delay begin
  std::vector<std::vector<float>> values;  ///< [B][start[D]] by delay, then by age
  std::vector<double> g2;                  ///< [D, B] mean over all ages
  std::vector<std::uint64_t> ageEdges;     ///< [A + 1] frames
  std::vector<double> byAge;               ///< [B, A, D] mean within a bin of age; NaN where there is none
};

/// B selected bins, F frames. Matrices are row-major.
struct TwoTimeResult {
  std::uint64_t frames = 0;
  std::vector<std::uint32_t> bins;      ///< [B] dynamic labels
  std::uint64_t normalizers = 0;        ///< G, rows of sg
  std::uint64_t normalizerFrames = 0;   ///< F, or 1 when averaged over time
  std::vector<double> sg;               ///< [G, F or 1] what was divided by, counts per pixel
  std::vector<double> g2full;           ///< [F, B] mean along the diagonals; empty without the matrix, as the curves below
  std::uint64_t partials = 0;           ///< J = floor(F / window) - 1
  std::vector<double> g2partials;       ///< [window, J, B]
  std::vector<double> g2segments;       ///< [F / 5, 5, B] the same means within five blocks on the diagonal
  MultitauTwoTime multitau;             ///< empty where it was not asked for
  std::vector<std::string> warnings;
};

/// Rows [firstRow, firstRow + rows) of bin number `bin` (index into the selection), as the square chunks that hold them: those from
/// the diagonal to the right end. 0 left of the diagonal and beyond the matrix.
struct C2Band {
  std::size_t bin;
  std::uint64_t firstRow, rows, frames;
  std::uint64_t chunk;            ///< rows and columns of a chunk; firstRow is a multiple
  std::span<const float> values;  ///< float32 [chunks, chunk, chunk]

  [[nodiscard]] std::size_t chunks() const noexcept { return (frames - firstRow + chunk - 1) / chunk; }
  [[nodiscard]] std::span<const float> values_of(std::size_t number) const { return values.subspan(number * chunk * chunk, chunk * chunk); }
  /// Value of row firstRow + r and column c, c >= firstRow; the chunk's further columns follow it.
  [[nodiscard]] const float* at(std::uint64_t r, std::uint64_t c) const noexcept {
    const std::uint64_t column = c - firstRow;
    return values.data() + (column / chunk * chunk + r) * chunk + column % chunk;
  }
};

struct TwoTimeRun {
  unsigned threads = 1;
  std::uint64_t chunk = 512;
  /// Counts per pixel of the whole detector in each frame [F]; used with normalizeByFrameSum.
  std::span<const double> frameMean;
  /// Bands come in order, bin by bin. `begin` says in how many parts one is taken; `take` may be called by several threads at once,
  /// with the parts of one band, while the next band is computed.
  std::function<std::size_t(const C2Band&)> begin;
  std::function<void(const C2Band&, std::size_t part)> take;
  Control control;
};

class TwoTime final : public FrameSink {
 public:
  /// @throws invalid_argument no bin, an unknown label, a filter with boost_corr's smoothings
  TwoTime(const Partition& partition, TwoTimeOptions options);
  ~TwoTime() override;
  TwoTime(const TwoTime&) = delete;
  TwoTime& operator=(const TwoTime&) = delete;

  void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) override;
  void push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) override;
  void push_dense(std::uint32_t first, std::span<const std::uint16_t> rows, std::size_t pixels, bool signedCounts) override;
  void set_frames(std::uint64_t frames) override;

  /// Labels of the bins that will be correlated: the selected ones that have pixels.
  [[nodiscard]] std::vector<std::uint32_t> bins() const;

  /// Correlates, once: the photons are consumed. Bit-identical for any number of threads.
  /// @throws canceled, out_of_memory
  [[nodiscard]] TwoTimeResult run(const TwoTimeRun& how);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// What the memory of a two-time analysis depends on.
struct TwoTimeSize {
  std::uint64_t frames, events, pixels, bins;  ///< events and pixels of the selected bins
  bool real;                  ///< values, not counts
  unsigned threads;
  std::uint64_t chunk;        ///< of the matrix; 0: no matrix
  std::uint32_t multitauDpl;  ///< 0: no multi-tau two-time
};

/// Bytes before anything was read: the photons twice, two bands, the curves. An upper estimate that is meant to be told and
/// compared with a limit.
std::uint64_t two_time_bytes(const TwoTimeSize& size);

}  // namespace xpcs
