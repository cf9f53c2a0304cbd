// Multi-tau correlation of an endless stream: integer events in frame order, in chunks; the result at any time, the same bits
// as Correlator's on the same frames. Memory has a bound that does not grow with the number of frames. Knows nothing of
// files. A checkpoint is result().moments; after a gap that no pair may cross, the next part is a correlator of its own whose
// moments are added.
#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "xpcs/correlator.hpp"

namespace xpcs {

struct StreamOptions {
  std::uint32_t dpl = 4;
  /// The caller sums this many file frames into one; results are divided by it.
  std::uint32_t average = 1;
  /// double [pixels], multiplied into the counts (flatfield); empty: none.
  std::vector<double> pixelFactor = {};
  /// Values are real (push_real), not counts.
  bool real = false;
  /// As in CorrelatorOptions. A frame is divided when it is complete.
  bool normalizeByFrameSum = false;
  std::vector<double> monitor = {};
  /// Workers that fold photons in and that answer a query; 1: the caller's thread alone.
  unsigned threads = 1;
  /// Frames that the stream may have; decides the number of levels, and with them the memory.
  std::uint64_t framesMax = 0xFFFFFFFF;
  /// Frames per row of partitionMeanPartial; 0: no rows.
  std::uint32_t staticWindow = 0;
  /// Rows of the intensity against time; when frames outnumber them, a row is the mean of 2, 4, 8, ... frames.
  std::uint64_t intensityRows = 65536;
  /// Bytes of photons, about 4 each and 16 of real values, that wait for others before they go to their tiles: fewer take less memory and
  /// more time; 0: 16 a pixel, 256 of real values, and at least 1 MB.
  std::uint64_t photonBytes = 0;
  /// Bytes that the correlator may take.
  std::uint64_t bytesMax = 0xFFFFFFFFFFFFFFFF;
};

/// Bytes that a stream takes at most, a query included, while no pixel counts more than 2^31 - 1 photons; a pixel beyond takes
/// twice its share. docs/streaming.md has it in words.
std::uint64_t stream_bytes(const Partition& partition, const StreamOptions& options);

class StreamCorrelator {
 public:
  /// @throws invalid_argument; out_of_memory where stream_bytes exceeds bytesMax, with both numbers
  StreamCorrelator(Partition partition, StreamOptions options);
  ~StreamCorrelator();
  StreamCorrelator(StreamCorrelator&&) noexcept;
  StreamCorrelator& operator=(StreamCorrelator&&) noexcept;
  StreamCorrelator(const StreamCorrelator&) = delete;
  StreamCorrelator& operator=(const StreamCorrelator&) = delete;

  /// Adds integer events; frames never go back, those of one frame may come in pieces and in any order. Pixels outside the
  /// partition are passed over, repeated events add up. A chunk that is refused leaves nothing behind.
  /// @throws invalid_argument a frame before the newest one or beyond framesMax, a pixel outside the detector, lengths that differ
  /// @throws out_of_memory a pixel with more than 2^31 - 1 photons needed more than bytesMax leaves
  void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count);
  /// `push` in three parts, as those of Correlator: the first two on any thread, beside any other call. @throws as push
  void prepare(std::shared_ptr<PreparedEvents>& events, std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel,
               std::span<const std::int64_t> count) const;
  void prepare(std::shared_ptr<PreparedEvents>& events, const EventColumns& columns) const;
  void close(PreparedEvents& events) const;
  void take(PreparedEvents& events);
  /// False where counts become real numbers, which are not prepared: the options have frames divided, or real values.
  [[nodiscard]] bool prepares() const noexcept;
  /// Adds real values, as push, where the options ask for them.
  void push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value);
  /// Adds whole frames in order, the first of them `first`: the same as their events that are not 0.
  /// @param rows uint16 [frames, pixels]; signedCounts: 0x8000 and above are negative, and count as 0
  /// @throws invalid_argument as push; a length that is no multiple of the detector
  void push_dense(std::uint32_t first, std::span<const std::uint16_t> rows, bool signedCounts);
  /// The stream has this many frames so far: trailing empty ones count, and the newest frame is dropped where it lies beyond.
  /// @throws invalid_argument older frames lie beyond, or more than framesMax
  void set_frames(std::uint64_t frames);
  [[nodiscard]] const Partition& partition() const noexcept;
  /// Bytes that the stream's state takes now, without a query's.
  [[nodiscard]] std::uint64_t bytes() const noexcept;

  /// The correlation of all frames so far, the newest one as if it were complete. Changes nothing.
  /// @throws canceled, invalid_argument (counts too large to be summed exactly)
  [[nodiscard]] CorrelationResult result(const ResultOptions& options, const Control& control = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace xpcs
