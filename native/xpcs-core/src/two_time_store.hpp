// The photons of the selected bins, frame by frame: a sorted list of (rank, value), or a whole row where a frame has
// many. Frames may come in pieces and in any order; repeated photons add up.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <type_traits>
#include <vector>

#include "xpcs/error.hpp"

namespace xpcs::twotime {

/// Largest count that a row of bytes holds: the byte kernel multiplies unsigned by signed.
constexpr int kByteCountMax = 127;

template <class V>
struct Event {
  std::uint32_t rank;
  V value;
};

/// Stable sort by rank in passes of 11 bits.
template <class V>
void sort_by_rank(std::vector<Event<V>>& events, std::vector<Event<V>>& scratch, std::uint32_t ranks) {
  constexpr std::uint32_t kBits = 11;
  if (std::is_sorted(events.begin(), events.end(), [](const auto& a, const auto& b) { return a.rank < b.rank; })) return;
  scratch.resize(events.size());
  for (std::uint32_t shift = 0; shift < 32 && (ranks - 1) >> shift != 0; shift += kBits) {
    std::uint32_t starts[(1u << kBits) + 1] = {};
    for (const auto& event : events) ++starts[((event.rank >> shift) & ((1u << kBits) - 1)) + 1];
    for (std::uint32_t i = 0; i < 1u << kBits; ++i) starts[i + 1] += starts[i];
    for (const auto& event : events) scratch[starts[(event.rank >> shift) & ((1u << kBits) - 1)]++] = event;
    events.swap(scratch);
  }
}

/// Cells that are not 0.
template <class Cell>
std::uint32_t count_lit(const Cell* row, std::uint32_t n) {
  constexpr std::uint32_t kLanes = 64, kRounds = 255;
  std::uint32_t lit = 0;
  std::uint32_t i = 0;
  while (i + kLanes <= n) {
    std::uint8_t lanes[kLanes] = {};
    for (std::uint32_t round = 0; round < kRounds && i + kLanes <= n; ++round, i += kLanes) {
      for (std::uint32_t l = 0; l < kLanes; ++l) lanes[l] = static_cast<std::uint8_t>(lanes[l] + (row[i + l] != Cell{0} ? 1 : 0));
    }
    for (const std::uint8_t lane : lanes) lit += lane;
  }
  for (; i < n; ++i) lit += row[i] != Cell{0} ? 1 : 0;
  return lit;
}

template <class V>
class FrameStore {
 public:
  using Value = V;
  /// Counts go into bytes, real values into doubles.
  using Cell = std::conditional_t<std::is_same_v<V, double>, double, std::uint8_t>;
  struct Frame {
    Event<V>* events = nullptr;  ///< [n] sorted by rank
    const Cell* row = nullptr;   ///< [ranks] in place of events
    std::uint32_t n = 0;         ///< photons, in either form
  };

  /// Room is taken in pieces: for rows, and for lists.
  static constexpr std::size_t kRowRoomBytes = std::size_t{1} << 22;
  static constexpr std::size_t kListRoom = std::size_t{1} << 16;

  explicit FrameStore(std::uint32_t ranks) : ranks_(ranks) {}

  void add(std::uint32_t frame, std::uint32_t rank, V value) {
    if (frame != open_) {
      flush();
      open_ = frame;
    }
    staged_.push_back({rank, value});
  }

  /// A whole frame of counts: fill(row) writes the low byte of each into row [ranks], and gives all counts joined by "or". False,
  /// and nothing is kept, where the frame has photons already, a count is too large for a byte, or a list would take less room.
  template <class Fill>
  bool add_row(std::uint32_t frame, Fill fill) {
    flush();
    if (frame >= frames_.size()) frames_.resize(std::size_t{frame} + 1);
    if (frames_[frame].n > 0) return false;
    Cell* row = row_room();
    if (fill(row) > kByteCountMax) return false;
    const std::uint32_t lit = count_lit(row, ranks_);
    if (lit <= ranks_ / 8) return false;
    frames_[frame] = {nullptr, row, lit};
    spareRow_ = nullptr;
    return true;
  }

  /// Puts everything in its place; no `add` afterwards.
  void finish(std::uint64_t frames) {
    flush();
    frames_.resize(frames);
    merge_late();
  }

  [[nodiscard]] const std::vector<Frame>& frames() const noexcept { return frames_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_ + frames_.capacity() * sizeof(Frame); }
  [[nodiscard]] std::uint32_t ranks() const noexcept { return ranks_; }

  /// Gives every photon to another store, in order of frames (then rank).
  template <class Other>
  void pour(Other& into) {
    flush();
    merge_late();
    for (std::size_t t = 0; t < frames_.size(); ++t) {
      const Frame& frame = frames_[t];
      for (std::uint32_t i = 0; frame.row == nullptr && i < frame.n; ++i) into.add(static_cast<std::uint32_t>(t), frame.events[i].rank, static_cast<typename Other::Value>(frame.events[i].value));
      for (std::uint32_t r = 0; frame.row != nullptr && r < ranks_; ++r) {
        if (frame.row[r] != Cell{0}) into.add(static_cast<std::uint32_t>(t), r, static_cast<typename Other::Value>(frame.row[r]));
      }
    }
  }

 private:
  struct Late {
    std::uint32_t frame;
    Event<V> event;
  };
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  void flush() {
    if (staged_.empty()) return;
    if (open_ >= frames_.size()) frames_.resize(std::max<std::size_t>(std::size_t{open_} + 1, frames_.size()));
    Frame& frame = frames_[open_];
    if (frame.n > 0) {
      for (const auto& event : staged_) late_.push_back({open_, event});
      bytes_ += staged_.size() * sizeof(Late);
    } else if (!keep_as_row(frame)) {
      sort_by_rank(staged_, scratch_, ranks_);
      combine();
      keep_as_events(frame);
    }
    staged_.clear();
  }

  /// Adds up repeated photons and drops zeros; the staged list is sorted.
  void combine() {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < staged_.size();) {
      Event<V> sum = staged_[i];
      for (++i; i < staged_.size() && staged_[i].rank == sum.rank; ++i) sum.value += staged_[i].value;
      if (sum.value != V{0}) staged_[kept++] = sum;
    }
    staged_.resize(kept);
  }

  void keep_as_events(Frame& frame) {
    frame.n = static_cast<std::uint32_t>(staged_.size());
    frame.row = nullptr;
    frame.events = staged_.empty() ? nullptr : events_room(staged_.size());
    std::copy(staged_.begin(), staged_.end(), frame.events);
  }

  /// Photons on more than an eighth of the pixels (values: half) take less room as a row.
  bool keep_as_row(Frame& frame) {
    constexpr std::size_t kShare = std::is_same_v<V, double> ? 2 : 8;
    if (staged_.size() <= ranks_ / kShare || staged_.size() < 16) return false;
    Cell* row = row_room();
    std::fill(row, row + ranks_, Cell{0});
    for (const auto& [rank, value] : staged_) {
      if constexpr (std::is_same_v<V, double>) {
        row[rank] += value;
      } else {
        const V sum = row[rank] + value;
        if (sum < 0 || sum > kByteCountMax) return false;  // the room is taken again by the next row
        row[rank] = static_cast<Cell>(sum);
      }
    }
    frame.row = row;
    frame.n = static_cast<std::uint32_t>(staged_.size());
    spareRow_ = nullptr;
    return true;
  }

  void merge_late() {
    std::stable_sort(late_.begin(), late_.end(), [](const Late& a, const Late& b) { return a.frame < b.frame; });
    for (std::size_t i = 0; i < late_.size();) {
      const std::uint32_t t = late_[i].frame;
      staged_.clear();
      if (t < frames_.size()) {
        const Frame& frame = frames_[t];
        if (frame.row == nullptr) staged_.assign(frame.events, frame.events + frame.n);
        for (std::uint32_t r = 0; frame.row != nullptr && r < ranks_; ++r) {
          if (frame.row[r] != Cell{0}) staged_.push_back({r, static_cast<V>(frame.row[r])});
        }
      }
      for (; i < late_.size() && late_[i].frame == t; ++i) staged_.push_back(late_[i].event);
      if (t >= frames_.size()) continue;
      sort_by_rank(staged_, scratch_, ranks_);
      combine();
      keep_as_events(frames_[t]);
    }
    staged_.clear();
    late_.clear();
  }

  Event<V>* events_room(std::size_t n) {
    if (n > arenaLeft_) {
      arenaLeft_ = std::max<std::size_t>(n, kListRoom);
      arenas_.push_back(std::make_unique_for_overwrite<Event<V>[]>(arenaLeft_));
      arenaNext_ = arenas_.back().get();
      bytes_ += arenaLeft_ * sizeof(Event<V>);
    }
    Event<V>* room = arenaNext_;
    arenaNext_ += n;
    arenaLeft_ -= n;
    return room;
  }

  /// Rows begin on cache lines, an odd number of lines apart, so that the same pixels of many rows do not share one set of the cache.
  Cell* row_room() {
    if (spareRow_ != nullptr) return spareRow_;
    constexpr std::size_t kLine = 64 / sizeof(Cell);
    const std::size_t stride = ((ranks_ + kLine - 1) / kLine | 1) * kLine;
    if (rowsLeft_ == 0) {
      rowsLeft_ = std::max<std::size_t>(1, kRowRoomBytes / (stride * sizeof(Cell)));
      rows_.push_back(std::make_unique<Cell[]>(rowsLeft_ * stride + kLine));
      bytes_ += (rowsLeft_ * stride + kLine) * sizeof(Cell);
      const auto address = reinterpret_cast<std::uintptr_t>(rows_.back().get());
      rowNext_ = rows_.back().get() + (64 - address % 64) % 64 / sizeof(Cell);
    }
    --rowsLeft_;
    spareRow_ = rowNext_;
    rowNext_ += stride;
    return spareRow_;
  }

  std::uint32_t ranks_;
  std::uint32_t open_ = kNone;
  std::vector<Event<V>> staged_, scratch_;
  std::vector<Frame> frames_;
  std::vector<Late> late_;
  std::vector<std::unique_ptr<Event<V>[]>> arenas_;
  std::vector<std::unique_ptr<Cell[]>> rows_;
  Event<V>* arenaNext_ = nullptr;
  Cell* spareRow_ = nullptr;
  Cell* rowNext_ = nullptr;
  std::size_t arenaLeft_ = 0;
  std::size_t rowsLeft_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace xpcs::twotime
