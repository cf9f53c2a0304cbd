// C2 of a bin with few photons, row by row: walk the later photons of every pixel that the row's frame lit, and add the products
// up in integers. Work = photon pairs. The columns are taken in segments whose sums stay in the first-level cache.
#pragma once
#include <algorithm>
#include <string>

#include "threads.hpp"
#include "two_time_band.hpp"
#include "two_time_scales.hpp"
#include "two_time_store.hpp"

namespace xpcs::twotime {

__extension__ using Int128 = __int128;

/// A bin's photons of one frame, by rank.
template <class V>
struct FramePart {
  const Event<V>* first = nullptr;
  const Event<V>* end = nullptr;
  [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(end - first); }
};

/// What all photons of a bin have in common.
struct PhotonFacts {
  double photons = 0;          ///< pixels of frames that have any
  double counts = 0;           ///< their sum, where they are small
  double largest = 0;          ///< magnitude
  std::uint64_t mostInFrame = 0;
  bool small = true;           ///< 0 to kByteCountMax
};

template <class V>
class Walk {
 public:
  Walk(std::vector<FramePart<V>> parts, const std::vector<Group>& groups, const Bin& bin, const PhotonFacts& facts)
      : parts_(std::move(parts)), groups_(groups), bin_(bin), facts_(facts), frames_(parts_.size()),
        entries_(kind_of_entries()) {}

  /// For every pixel its photons in order of time, with an end mark; and for each photon of a frame its place there.
  void build(unsigned threads) {
    std::vector<std::uint64_t> next(bin_.pixels() + 1, 0);
    for_tiles(threads, [&](std::size_t, const Event<V>& event) { next[event.rank - bin_.first + 1] += entries_ == Entries::times ? static_cast<std::uint64_t>(event.value) : 1; });
    for (std::size_t p = 0; p < bin_.pixels(); ++p) next[p + 1] += next[p] + 1;
    if (next.back() >= kPlacesMax) throw Error(Code::unsupported, "q bin " + std::to_string(bin_.label) + " holds more than 4e9 photons; use a shorter range");
    placeStart_.assign(frames_ + 1, 0);
    for (std::size_t t = 0; t < frames_; ++t) placeStart_[t + 1] = placeStart_[t] + parts_[t].size();
    places_ = std::make_unique_for_overwrite<std::uint32_t[]>(placeStart_.back());
    switch (entries_) {
      case Entries::times: fill(times_, next, threads); break;
      case Entries::packed: fill(packed_, next, threads); break;
      case Entries::wide: fill(wide_, next, threads); break;
    }
  }

  /// Rows [from, end) of the band.
  void rows(BandRoom& room, const double* outer, const std::vector<double>& inner, std::uint64_t from, std::uint64_t end) const {
    switch (entries_) {
      case Entries::times: sum_rows(times_.get(), room, {outer, inner.data()}, from, end); break;
      case Entries::packed: sum_rows(packed_.get(), room, {outer, inner.data()}, from, end); break;
      case Entries::wide: sum_rows(wide_.get(), room, {outer, inner.data()}, from, end); break;
    }
  }

 private:
  static constexpr std::size_t kTilePixels = 4096;
  static constexpr std::uint64_t kPlacesMax = 0xFFFFFFFF;
  /// Columns whose sums are held at once.
  static constexpr std::uint64_t kSegment = 8192;
  static constexpr std::size_t kAhead = 12;
  static constexpr std::size_t kLineBytes = 64;

  /// How a pixel's photons are listed: as small as the data allow, since the walk waits for memory.
  enum class Entries { times, packed, wide };

  /// A frame for every count: a count of 2 stands there twice.
  struct Time {
    static constexpr std::uint16_t kEnd = 0xFFFF;
    std::uint16_t frame;
    static Time make(std::uint32_t t, V) { return {static_cast<std::uint16_t>(t)}; }
    static Time end() { return {kEnd}; }
    [[nodiscard]] std::uint32_t t() const { return frame; }
    [[nodiscard]] static constexpr std::uint32_t value() { return 1; }
  };
  /// Frame and count of a small one in 32 bits.
  struct Packed {
    static constexpr std::uint32_t kEnd = 0xFFFFFF;
    std::uint32_t bits;
    static Packed make(std::uint32_t t, V value) { return {t | static_cast<std::uint32_t>(value) << 24}; }
    static Packed end() { return {kEnd}; }
    [[nodiscard]] std::uint32_t t() const { return bits & kEnd; }
    [[nodiscard]] std::uint32_t value() const { return bits >> 24; }
  };
  struct Wide {
    std::uint32_t frame;
    V count;
    static Wide make(std::uint32_t t, V value) { return {t, value}; }
    static Wide end() { return {0xFFFFFFFF, V{0}}; }
    [[nodiscard]] std::uint32_t t() const { return frame; }
    [[nodiscard]] V value() const { return count; }
  };
  struct Factors {
    const double* outer;  // [F]
    const double* inner;  // [G, F]
  };

  [[nodiscard]] Entries kind_of_entries() const {
    constexpr double kCopiesMax = 1.25;
    if (!facts_.small) return Entries::wide;
    if (frames_ < Time::kEnd && facts_.counts <= kCopiesMax * facts_.photons) return Entries::times;
    return frames_ < Packed::kEnd ? Entries::packed : Entries::wide;
  }

  /// Every photon, tile of pixels by tile of pixels, each in order of frames: the places that one tile reaches stay in cache. A
  /// thread takes neighbouring tiles, with one cursor for every frame.
  template <class Take>
  void for_tiles(unsigned threads, Take take) const {
    const std::size_t tiles = (bin_.pixels() + kTilePixels - 1) / kTilePixels;
    const std::size_t shares = std::min<std::size_t>(tiles, threads);
    parallel_for(shares, threads, [&](std::size_t share, unsigned) {
      std::size_t tile = tiles * share / shares;
      const std::size_t end = tiles * (share + 1) / shares;
      std::vector<const Event<V>*> cursor(frames_);
      const auto from = static_cast<std::uint32_t>(bin_.first + tile * kTilePixels);
      for (std::size_t t = 0; t < frames_; ++t) {
        cursor[t] = std::lower_bound(parts_[t].first, parts_[t].end, from, [](const Event<V>& event, std::uint32_t rank) { return event.rank < rank; });
      }
      for (; tile < end; ++tile) {
        const auto to = static_cast<std::uint32_t>(std::min<std::size_t>(bin_.end, bin_.first + (tile + 1) * kTilePixels));
        for (std::size_t t = 0; t < frames_; ++t) {
          if (t + kAhead < frames_) __builtin_prefetch(cursor[t + kAhead]);
          const Event<V>* event = cursor[t];
          for (; event != parts_[t].end && event->rank < to; ++event) take(t, *event);
          cursor[t] = event;
        }
      }
    });
  }

  template <class Entry>
  void fill(std::unique_ptr<Entry[]>& list, std::vector<std::uint64_t>& next, unsigned threads) {
    list = std::make_unique_for_overwrite<Entry[]>(next.back());
    for (std::size_t p = 0; p < bin_.pixels(); ++p) list[next[p + 1] - 1] = Entry::end();
    for_tiles(threads, [&](std::size_t t, const Event<V>& event) {
      std::uint64_t& place = next[event.rank - bin_.first];
      places_[placeStart_[t] + static_cast<std::size_t>(&event - parts_[t].first)] = static_cast<std::uint32_t>(place);
      list[place++] = Entry::make(static_cast<std::uint32_t>(t), event.value);
      if constexpr (std::is_same_v<Entry, Time>) {
        for (V copies = 1; copies < event.value; ++copies) list[place++] = Entry::make(static_cast<std::uint32_t>(t), event.value);
      }
    });
  }

  template <class Entry>
  void sum_rows(const Entry* list, BandRoom& room, const Factors& factors, std::uint64_t from, std::uint64_t end) const {
    if constexpr (std::is_same_v<V, double>) {
      sum_rows_as<double>(list, room, factors, from, end);
    } else {
      const double bound = facts_.largest * facts_.largest * static_cast<double>(facts_.mostInFrame);
      if (bound < 2147483647.0) {
        sum_rows_as<std::int32_t>(list, room, factors, from, end);
      } else if (bound < 9.2e18) {
        sum_rows_as<std::int64_t>(list, room, factors, from, end);
      } else {
        sum_rows_as<Int128>(list, room, factors, from, end);
      }
    }
  }

  template <class Sum, class Entry>
  void sum_rows_as(const Entry* list, BandRoom& room, const Factors& factors, std::uint64_t from, std::uint64_t end) const {
    const std::size_t columns = std::min(kSegment, frames_);
    std::vector<Sum> sums(columns, Sum{0});
    std::vector<double> totals(columns);
    std::vector<std::uint32_t> at;
    for (std::uint64_t t = from; t < end; ++t) {
      room.clear_outside(t);
      const FramePart<V>& part = parts_[t];
      at.assign(places_.get() + placeStart_[t], places_.get() + placeStart_[t + 1]);
      for (std::uint64_t segment = t / kSegment * kSegment; segment < frames_; segment += kSegment) {
        const std::uint64_t first = std::max(segment, t);
        const std::uint64_t last = std::min(segment + kSegment, frames_);
        if (bin_.endGroup - bin_.firstGroup == 1) {
          add_photons(list, part, at, {0, at.size()}, segment, last, sums.data());
          const double scale = factors.inner[std::size_t{bin_.firstGroup} * frames_ + t];
          const double* inner = factors.inner + std::size_t{bin_.firstGroup} * frames_;
          room.for_pieces(t, first, last, [&](float* out, std::uint64_t u, std::uint64_t n) {
            Sum* sum = sums.data() + (u - segment);
            for (std::uint64_t i = 0; i < n; ++i) {
              out[i] = static_cast<float>(factors.outer[t] * factors.outer[u + i] * (scale * inner[u + i] * static_cast<double>(sum[i])));
              sum[i] = Sum{0};
            }
          });
          continue;
        }
        std::fill_n(totals.begin(), last - segment, 0.0);
        add_groups(list, t, at, factors.inner, {segment, first, last}, sums.data(), totals.data());
        room.for_pieces(t, first, last, [&](float* out, std::uint64_t u, std::uint64_t n) {
          const double* total = totals.data() + (u - segment);
          for (std::uint64_t i = 0; i < n; ++i) out[i] = static_cast<float>(factors.outer[t] * factors.outer[u + i] * total[i]);
        });
      }
    }
  }

  struct Columns {
    std::uint64_t segment, first, last;
  };
  struct Range {
    std::size_t from, end;
  };

  /// Each group's sums with its factors. `sums` is all 0 before and after.
  template <class Sum, class Entry>
  void add_groups(const Entry* list, std::uint64_t t, std::vector<std::uint32_t>& at, const double* inners, const Columns& columns, Sum* sums, double* totals) const {
    const FramePart<V>& part = parts_[t];
    std::size_t from = 0;
    for (std::uint32_t g = bin_.firstGroup; g < bin_.endGroup; ++g) {
      std::size_t end = from;
      while (end < at.size() && part.first[end].rank < groups_[g].end) ++end;
      if (end == from) continue;
      add_photons(list, part, at, {from, end}, columns.segment, columns.last, sums);
      from = end;
      const double* inner = inners + std::size_t{g} * frames_;
      const double scale = inner[t];
      for (std::uint64_t u = columns.first; u < columns.last; ++u) {
        totals[u - columns.segment] += scale * inner[u] * static_cast<double>(sums[u - columns.segment]);
        sums[u - columns.segment] = Sum{0};
      }
    }
  }

  /// Products of the row's photons with those of the segment; `at` moves on behind it.
  template <class Sum, class Entry>
  static void add_photons(const Entry* list, const FramePart<V>& part, std::vector<std::uint32_t>& at, Range range, std::uint64_t segment, std::uint64_t last, Sum* sums) {
    Sum* const base = sums;
    for (std::size_t i = range.from; i < range.end; ++i) {
      if (i + kAhead < range.end) {
        __builtin_prefetch(list + at[i + kAhead]);
        __builtin_prefetch(list + at[i + kAhead] + kLineBytes / sizeof(Entry));
      }
      const Sum value = static_cast<Sum>(part.first[i].value);
      const Entry* later = list + at[i];
      for (; later->t() < last; ++later) base[later->t() - segment] += value * static_cast<Sum>(later->value());
      at[i] = static_cast<std::uint32_t>(later - list);
    }
  }

  std::vector<FramePart<V>> parts_;
  const std::vector<Group>& groups_;
  const Bin& bin_;
  PhotonFacts facts_;
  std::uint64_t frames_;
  Entries entries_;
  std::unique_ptr<Time[]> times_;
  std::unique_ptr<Packed[]> packed_;
  std::unique_ptr<Wide[]> wide_;
  std::vector<std::uint64_t> placeStart_;  // [F + 1]
  std::unique_ptr<std::uint32_t[]> places_;
};

}  // namespace xpcs::twotime
