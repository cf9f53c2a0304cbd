// C2 of one bin, band by band. Few photons: two_time_walk.hpp. Many: inner products of whole frames, tile by tile. The cheaper one
// is taken; integer counts give the same numbers either way.
#pragma once
#include <cmath>
#include <optional>

#include "two_time_dense.hpp"
#include "two_time_walk.hpp"

namespace xpcs::twotime {

/// Sums of photons [G, F] of every group and frame.
template <class V>
std::vector<double> group_sums(FrameStore<V>& store, const std::vector<Group>& groups, unsigned threads) {
  const std::size_t F = store.frames().size();
  std::vector<double> sums(groups.size() * F, 0.0);
  using Total = std::conditional_t<std::is_same_v<V, double>, double, Int128>;
  using RowTotal = std::conditional_t<std::is_same_v<V, double>, double, std::uint32_t>;  // 2^24 bytes at most
  parallel_for(F, threads, [&](std::size_t t, unsigned) {
    const auto& frame = store.frames()[t];
    if (frame.n == 0) return;
    std::uint32_t at = 0;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      Total total{0};
      if (frame.row != nullptr) {
        RowTotal sum{0};
        for (std::uint32_t r = groups[g].first; r < groups[g].end; ++r) sum += frame.row[r];
        total = sum;
      } else {
        for (; at < frame.n && frame.events[at].rank < groups[g].end; ++at) total += frame.events[at].value;
      }
      sums[g * F + t] = static_cast<double>(total);
    }
  });
  return sums;
}

template <class V>
class BinEngine {
 public:
  using Store = FrameStore<V>;
  using Cell = typename Store::Cell;

  /// @param cursor [F] photons of each list that belong to the bins before this one; bins come in order of their ranks
  BinEngine(Store& store, const std::vector<Group>& groups, const Bin& bin, std::size_t binIndex, const Scales& scales, const TwoTimeRun& how,
            std::vector<std::uint32_t>& cursor)
      : store_(store), groups_(groups), bin_(bin), scales_(scales), how_(how), frames_(store.frames().size()), outer_(scales.outer.data() + binIndex * frames_) {
    survey(cursor);
    method_ = choose();
    if (method_ == Method::walk) {
      start_walk();
    } else if (method_ == Method::bytes) {
      if constexpr (!std::is_same_v<V, double>) gather_rows(byteRows_, byteRoom_);
    } else {
      gather_rows(realRows_, realRoom_);
    }
  }

  /// Independent pieces of work of a band.
  [[nodiscard]] std::size_t items(const BandRoom& room) const {
    if (method_ == Method::walk) return (room.rows() + kWalkRows - 1) / kWalkRows;
    const std::uint64_t down = (room.rows() + kTile - 1) / kTile;
    const std::uint64_t across = (frames_ - room.first() + kTile - 1) / kTile;
    return down * across - down * (down - 1) / 2;
  }

  void compute(std::size_t item, BandRoom& room) const {
    if (method_ == Method::walk) {
      const std::uint64_t from = room.first() + item * kWalkRows;
      walk_->rows(room, outer_, scales_.inner, from, std::min(from + kWalkRows, room.first() + room.rows()));
      return;
    }
    how_.control.check();
    // Tiles of the first line, then of the next, each from the diagonal on.
    std::uint64_t t1 = room.first();
    std::uint64_t across = (frames_ - t1 + kTile - 1) / kTile;
    for (; item >= across; item -= across--) t1 += kTile;
    const std::uint64_t t2 = t1 + item * kTile;
    method_ == Method::bytes ? tile(byteRows_, t1, t2, room) : tile(realRows_, t1, t2, room);
  }

 private:
  enum class Method { walk, bytes, reals };
  static constexpr std::uint64_t kWalkRows = 8;

  /// The bin's part of a frame that is kept as a list: from where the bin before ended.
  [[nodiscard]] FramePart<V> part_of(std::size_t t, std::vector<std::uint32_t>& cursor) const {
    const auto& frame = store_.frames()[t];
    if (frame.row != nullptr || frame.n == 0) return {};
    const Event<V>* const first = frame.events + cursor[t];
    const Event<V>* const end = std::lower_bound(first, const_cast<const Event<V>*>(frame.events + frame.n), bin_.end,
                                                 [](const Event<V>& event, std::uint32_t rank) { return event.rank < rank; });
    cursor[t] = static_cast<std::uint32_t>(end - frame.events);
    return {first, end};
  }

  void survey(std::vector<std::uint32_t>& cursor) {
    parts_.resize(frames_);
    std::vector<PhotonFacts> facts(how_.threads);
    parallel_for(frames_, how_.threads, [&](std::size_t t, unsigned worker) {
      PhotonFacts& mine = facts[worker];
      const auto& frame = store_.frames()[t];
      if (frame.row != nullptr) {
        ++rowsHeld_;
        mine.photons += std::floor(static_cast<double>(frame.n) * bin_.pixels() / store_.ranks());
        mine.counts += static_cast<double>(frame.n) * kByteCountMax;
        mine.mostInFrame = std::max<std::uint64_t>(mine.mostInFrame, bin_.pixels());
        if constexpr (!std::is_same_v<V, double>) mine.largest = std::max(mine.largest, static_cast<double>(kByteCountMax));
        return;
      }
      parts_[t] = part_of(t, cursor);
      mine.photons += static_cast<double>(parts_[t].size());
      mine.mostInFrame = std::max<std::uint64_t>(mine.mostInFrame, parts_[t].size());
      V most{0}, least{0};
      double counts = 0;
      for (const Event<V>* event = parts_[t].first; event != parts_[t].end; ++event) {
        most = std::max(most, event->value);
        least = std::min(least, event->value);
        counts += static_cast<double>(event->value);
      }
      mine.counts += counts;
      mine.largest = std::max({mine.largest, static_cast<double>(most), -static_cast<double>(least)});
      mine.small = mine.small && least >= V{0} && most <= V{kByteCountMax};
    });
    for (const PhotonFacts& one : facts) {
      facts_.photons += one.photons;
      facts_.counts += one.counts;
      facts_.largest = std::max(facts_.largest, one.largest);
      facts_.mostInFrame = std::max(facts_.mostInFrame, one.mostInFrame);
      facts_.small = facts_.small && one.small;
    }
    if constexpr (std::is_same_v<V, double>) facts_.small = false;
  }

  /// Estimated work decides, from numbers of the data alone; the results agree (exactly for counts).
  [[nodiscard]] Method choose() const {
    const double F = static_cast<double>(frames_);
    const double P = bin_.pixels();
    constexpr double kWalkPairsPerNs = 1.5;
    constexpr double kRealProductsPerNs = 10;
    const double walk = facts_.photons * facts_.photons / P / 2 / kWalkPairsPerNs;
    const double dense = F * F * P / 2;
    if constexpr (!std::is_same_v<V, double>) {
      if (facts_.small) return walk <= dense / byte_products_per_ns() ? Method::walk : Method::bytes;
      const bool exact = facts_.largest * facts_.largest * P < 9007199254740992.0;
      if (!exact) return Method::walk;
    }
    const bool fits = facts_.photons >= F * P / 2;  // then rows take no more room than the lists of the walk
    return fits && dense / kRealProductsPerNs < walk ? Method::reals : Method::walk;
  }

  // ---- few photons ----

  /// Frames that are kept as rows become lists.
  void start_walk() {
    if (rowsHeld_ > 0) unpacked_.resize(frames_);
    parallel_for(rowsHeld_ > 0 ? frames_ : 0, how_.threads, [&](std::size_t t, unsigned) {
      const Cell* row = store_.frames()[t].row;
      if (row == nullptr) return;
      for (std::uint32_t r = bin_.first; r < bin_.end; ++r) {
        if (row[r] != Cell{0}) unpacked_[t].push_back({r, static_cast<V>(row[r])});
      }
      parts_[t] = {unpacked_[t].data(), unpacked_[t].data() + unpacked_[t].size()};
    });
    walk_.emplace(std::move(parts_), groups_, bin_, facts_);
    walk_->build(how_.threads);
  }

  // ---- many photons ----

  /// The bin's pixels of every frame as a row of cells; frames kept as lists are spread out.
  template <class Element>
  void gather_rows(std::vector<const Element*>& rows, std::vector<std::vector<Element>>& room) {
    rows.resize(frames_);
    room.resize(frames_);
    parallel_for(frames_, how_.threads, [&](std::size_t t, unsigned) {
      const Cell* held = store_.frames()[t].row;
      if constexpr (std::is_same_v<Element, Cell>) {
        if (held != nullptr) {
          rows[t] = held + bin_.first;
          return;
        }
      }
      room[t].assign(bin_.pixels(), Element{0});
      if (held != nullptr) std::copy(held + bin_.first, held + bin_.end, room[t].begin());
      for (const Event<V>* event = parts_[t].first; event != parts_[t].end; ++event) room[t][event->rank - bin_.first] = static_cast<Element>(event->value);
      rows[t] = room[t].data();
    });
  }

  template <class Element>
  void tile(const std::vector<const Element*>& rows, std::uint64_t t1, std::uint64_t t2, BandRoom& room) const {
    std::vector<double> products(kTile * kTile), total(kTile * kTile, 0.0);
    const std::size_t na = std::min<std::uint64_t>(kTile, room.first() + room.rows() - t1);
    const std::size_t nb = std::min<std::uint64_t>(kTile, frames_ - t2);
    for (std::uint32_t g = bin_.firstGroup; g < bin_.endGroup; ++g) {
      std::fill(products.begin(), products.end(), 0.0);
      add_products(rows.data() + t1, rows.data() + t2, {na, nb, groups_[g].first - bin_.first, groups_[g].end - bin_.first, t1 == t2}, products.data());
      const double* inner = scales_.inner.data() + std::size_t{g} * frames_;
      for (std::size_t r = 0; r < na; ++r) {
        for (std::size_t c = 0; c < nb; ++c) total[r * kTile + c] += inner[t1 + r] * inner[t2 + c] * products[r * kTile + c];
      }
    }
    for (std::size_t r = 0; r < na; ++r) {
      const std::uint64_t t = t1 + r;
      if (t1 == t2) room.clear_outside(t);
      room.for_pieces(t, std::max(t, t2), t2 + nb, [&](float* out, std::uint64_t u, std::uint64_t n) {
        for (std::uint64_t i = 0; i < n; ++i) out[i] = static_cast<float>(outer_[t] * outer_[u + i] * total[r * kTile + (u + i - t2)]);
      });
    }
  }

  Store& store_;
  const std::vector<Group>& groups_;
  const Bin& bin_;
  const Scales& scales_;
  const TwoTimeRun& how_;
  std::uint64_t frames_;
  const double* outer_;
  Method method_ = Method::walk;
  PhotonFacts facts_;
  std::atomic<std::uint64_t> rowsHeld_{0};
  std::vector<FramePart<V>> parts_;
  std::vector<std::vector<Event<V>>> unpacked_;
  std::optional<Walk<V>> walk_;
  std::vector<const std::uint8_t*> byteRows_;
  std::vector<std::vector<std::uint8_t>> byteRoom_;
  std::vector<const double*> realRows_;
  std::vector<std::vector<double>> realRoom_;
};

}  // namespace xpcs::twotime
