// The coarser levels of one tile: blocks of counts side by side (lane_sums.hpp), taken in chunks of consecutive blocks and halved
// from level to level. Each level keeps only the chunk that is filling and the blocks that later ones still meet, so memory does
// not grow with the series. Bytes while every block is at most 127, then words, then 64-bit integers: the sums are the same.
#pragma once
#include <cstdint>
#include <vector>

#include "kept_level.hpp"
#include "lane_sums.hpp"
#include "scheme.hpp"

namespace xpcs {

class LaneLevels {
 public:
  /// Blocks of a level that are correlated at once.
  static constexpr std::uint32_t kChunk = 128;

  explicit LaneLevels(const LaneSums& sums = lane_sums()) : sums_(&sums) {}

  /// Starts a tile of `groups` times sixteen pixels at level `base` (below scheme.levels).
  /// @param products int64 [D, stride], to which the sums are added
  void begin(const Scheme& scheme, std::uint32_t base, std::uint32_t groups, std::int64_t* products, std::size_t stride);

  /// Bytes of the filling chunk of the base level: block j of the chunk, pixel p lies at chunk()[offset_of_block(j) + offset_of_pixel(p)].
  /// All are 0 at the start of a chunk; the caller keeps them at 127 or below.
  [[nodiscard]] std::uint8_t* chunk() noexcept { return levels_[base_].bytes.data() + carry_rows(Form::bytes) * kRowBytes; }
  [[nodiscard]] static std::size_t offset_of_block(std::uint32_t block) noexcept { return std::size_t{block / 4} * kRowBytes + block % 4; }
  [[nodiscard]] std::size_t offset_of_pixel(std::uint32_t pixel) const noexcept {
    return pixel / kLanes * group_bytes_ + std::size_t{pixel % kLanes} * kBytesPerRow;
  }

  /// The chunk is full.
  void flush() { flush(base_, kChunk, false); }
  /// So many chunks without a count follow, as if each were flushed. Takes no longer for more of them: a level whose blocks are all 0 stays as it is.
  void flush_empty(std::uint64_t chunks);
  /// The series ends with `blocks` whole blocks in the chunk.
  void finish(std::uint32_t blocks) { flush(base_, blocks, true); }

  // Of a series that comes in parts: after `begin`, a level gets what was kept of it, or block by block what lies before the part.
  // At the end of the part its blocks are settled, in steps, and kept again. Blocks are counted from the first that is not settled.
  /// A level above the base gets its blocks, and so many of those that wait.
  void load(std::uint32_t level, const KeptLevel& kept, std::uint32_t waiting);
  /// So many blocks of a level above the base wait, none of which is there yet.
  void wait(std::uint32_t level, std::uint32_t blocks);
  /// Adds to a block. False where the level does not hold the sum: the block is 0 then.
  [[nodiscard]] bool put(std::uint32_t level, std::int64_t block, std::uint32_t pixel, std::uint32_t count);
  /// The part ends with `blocks` whole blocks in the chunk.
  void settle(std::uint32_t blocks);
  [[nodiscard]] KeptLevel keep(std::uint32_t level);

 private:
  enum class Form { bytes, words, wide };
  struct Level {
    Form form = Form::bytes;
    std::uint32_t filled = 0;  ///< blocks of the chunk
    std::vector<std::uint8_t> bytes;
    std::vector<std::uint16_t> words;
    std::vector<std::int64_t> wide;
  };

  [[nodiscard]] static std::size_t per_row(Form form) noexcept { return form == Form::bytes ? kBytesPerRow : form == Form::words ? kWordsPerRow : 1; }
  /// Rows before a chunk: the blocks that its first ones meet.
  [[nodiscard]] std::size_t carry_rows(Form form) const noexcept { return (scheme_->lag_max() - 1) / per_row(form) + 1; }
  [[nodiscard]] std::size_t rows_of_group(Form form) const noexcept { return carry_rows(form) + kChunk / per_row(form) + 1; }

  void flush(std::uint32_t level, std::uint32_t blocks, bool last);
  void make_room(std::uint32_t level, std::uint32_t blocks);
  void append_empty(std::uint32_t level);
  [[nodiscard]] bool empty(std::uint32_t level) const;
  void correlate(std::uint32_t level, std::uint32_t blocks);
  void correlate_wide(std::uint32_t level, std::uint32_t blocks);
  void halve(std::uint32_t level, std::uint32_t blocks);
  [[nodiscard]] std::uint32_t halve_into(const Level& from, Level& to, std::size_t rows);
  void halve_into_wide(const Level& from, Level& to, std::uint32_t blocks);
  void widen(Level& level, Form form);
  void clear_block(Level& level, std::uint32_t block);
  void clear_row(Level& level, std::size_t row);
  void keep_carry(Level& level, std::uint32_t blocks, std::uint32_t waiting);

  [[nodiscard]] std::uint8_t* bytes_of(Level& level, std::uint32_t group) const { return level.bytes.data() + group * rows_of_group(Form::bytes) * kRowBytes; }
  [[nodiscard]] std::uint16_t* words_of(Level& level, std::uint32_t group) const { return level.words.data() + group * rows_of_group(Form::words) * kLanes * kWordsPerRow; }
  [[nodiscard]] std::int64_t* wide_of(Level& level, std::uint32_t group) const { return level.wide.data() + group * rows_of_group(Form::wide) * kLanes; }
  void allocate(Level& level, Form form);

  /// The element of a block, counted from the first block that is kept.
  [[nodiscard]] std::int64_t element(const Level& level, std::uint32_t group, std::size_t block, std::uint32_t lane) const;

  const LaneSums* sums_;
  const Scheme* scheme_ = nullptr;
  std::uint32_t base_ = 0;
  std::uint32_t groups_ = 0;
  std::int64_t* products_ = nullptr;
  std::size_t stride_ = 0;
  std::size_t group_bytes_ = 0;
  std::vector<Level> levels_;
};

}  // namespace xpcs
