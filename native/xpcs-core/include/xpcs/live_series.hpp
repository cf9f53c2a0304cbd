// A measurement that is still running, from its first block of photons to its result file: the settings of an analysis, a stream's
// correlator, and what is known of frames that are gone. The result is, to the bit, that of the same frames read from a file.
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "xpcs/analysis.hpp"

namespace xpcs {

/// How the bytes of a frame are packed: not at all; one LZ4 block; as LZ4 or bitshuffle-LZ4 pack a chunk of HDF5 (filters 32004 and 32008).
enum class Packing { none, lz4_block, lz4, bslz4 };

/// One whole frame, row-major, little-endian unsigned words.
struct PackedFrame {
  std::span<const std::uint8_t> bytes;
  Packing packing = Packing::none;
  std::uint32_t wordBytes = 0;     ///< 1, 2 or 4
  std::uint32_t elementBytes = 0;  ///< of bslz4
};

/// What a source says of its frames before the first one; 0 x 0: they have the q-map's shape, which the reader of a file checks.
struct LiveShape {
  std::uint32_t height = 0, width = 0;
};

/// What a look at a file gave.
struct FilePiece {
  std::uint64_t frames = 0;  ///< none: nothing more is there now
  std::uint64_t events = 0;
  std::string waits;  ///< why nothing can be read yet; empty: it can
  bool closed = false;  ///< its writer has closed it, as far as that can be told
};

class LiveSeries {
 public:
  /// @param request of an analysis; its input is the source's name, not a file to read
  /// @throws as resolve_settings; invalid_argument the q-map is of another detector; unsupported what a running measurement cannot give (partial
  /// g2, other error conventions than the influence, ranges); out_of_memory with both numbers
  LiveSeries(const Request& request, const LiveShape& shape, const Control& control = {});
  ~LiveSeries();
  LiveSeries(const LiveSeries&) = delete;
  LiveSeries& operator=(const LiveSeries&) = delete;

  /// Photons of frames from the newest one on, as StreamCorrelator::push; frames count from 0, gaps included.
  void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count);
  /// Photons of the frames [first, first + frames) as 8-byte words: bits 63-44 frame after `first`, 43-16 pixel, 15-0 count (docs/stream-protocol.md).
  /// All of them or none: a word of another frame or pixel, or out of order, refuses the block.
  /// @throws corrupt_data with the number of the event
  void push_words(std::span<const std::byte> words, std::uint64_t first, std::uint64_t frames);
  /// The next frame. The largest value of its words marks a pixel without a reading, which counts 0, and which the result warns of.
  /// @return its events @throws corrupt_data what is wrong with it: nothing is taken
  std::uint64_t push_frame(const PackedFrame& packed);
  /// Words of a Rigaku file as it grows (docs/formats.md), row-major, first frame 0; frames go on from those before, and the newest may get more.
  /// Words of frames from `end` on are passed over. @returns words that were taken @throws corrupt_data with the number of the word, invalid_argument a frame that goes back
  std::uint64_t push_rigaku(std::span<const std::byte> words, std::uint64_t end);
  /// The file whose frames come next: complete, or growing, or not there yet. What the one before gave stays.
  /// @throws unsupported a format that is not read so
  void open_file(const std::string& path, Format format);
  /// The next whole frames of that file, a bounded number of bytes, up to `end` frames of the series.
  /// @param ended nothing more is written: what is there has to be whole
  /// @throws corrupt_data with the frame, invalid_argument another geometry, io_failed the file became shorter or is another one now
  FilePiece take_file(std::uint64_t end, bool ended);
  /// The next `frames` frames are gone: no pair crosses them.
  void gap(std::uint64_t frames);
  /// The stream has `frames` frames so far, trailing empty ones and gaps included. @throws invalid_argument fewer than there are
  void set_frames(std::uint64_t frames);

  [[nodiscard]] std::uint64_t frames() const noexcept;   ///< so far, gaps included
  [[nodiscard]] std::uint64_t missing() const noexcept;  ///< of them in gaps
  [[nodiscard]] const std::vector<std::pair<std::uint64_t, std::uint64_t>>& gaps() const noexcept;  ///< first, and behind the last
  [[nodiscard]] const Partition& partition() const noexcept;
  [[nodiscard]] const Settings& settings() const noexcept;
  [[nodiscard]] std::uint64_t bytes_max() const noexcept;
  /// Wave vector of each dynamic bin as the q-map has it [Q]; NaN where it has none.
  [[nodiscard]] std::vector<double> wave_vectors() const;

  /// The correlation so far. Changes nothing. @throws canceled, invalid_argument no frame yet
  [[nodiscard]] CorrelationResult result() const;
  /// Writes the result file of the request; may be called again, and the series goes on.
  /// @param provenance, warnings beside the request's
  Summary write(const std::map<std::string, std::string>& provenance, const std::vector<std::string>& warnings) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace xpcs
