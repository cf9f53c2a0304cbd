#include "lane_levels.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace xpcs {

void LaneLevels::allocate(Level& level, Form form) {
  const std::size_t elements = groups_ * rows_of_group(form) * kLanes * per_row(form);
  if (form == Form::bytes && level.bytes.size() < elements) level.bytes.resize(elements);
  if (form == Form::words && level.words.size() < elements) level.words.resize(elements);
  if (form == Form::wide && level.wide.size() < elements) level.wide.resize(elements);
}

void LaneLevels::begin(const Scheme& scheme, std::uint32_t base, std::uint32_t groups, std::int64_t* products, std::size_t stride) {
  scheme_ = &scheme;
  base_ = base;
  groups_ = groups;
  products_ = products;
  stride_ = stride;
  group_bytes_ = rows_of_group(Form::bytes) * kRowBytes;
  if (levels_.size() < scheme.levels) levels_.resize(scheme.levels);
  for (std::uint32_t at = base; at < scheme.levels; ++at) {
    Level& level = levels_[at];
    level.form = Form::bytes;
    level.filled = 0;
    allocate(level, Form::bytes);
    const std::size_t cleared = at == base ? group_bytes_ : carry_rows(Form::bytes) * kRowBytes;
    for (std::uint32_t group = 0; group < groups; ++group) std::memset(bytes_of(level, group), 0, cleared);
  }
}

std::int64_t LaneLevels::element(const Level& level, std::uint32_t group, std::size_t block, std::uint32_t lane) const {
  const std::size_t per = per_row(level.form);
  const std::size_t at = (group * rows_of_group(level.form) + block / per) * kLanes * per + lane * per + block % per;
  return level.form == Form::bytes ? level.bytes[at] : level.form == Form::words ? level.words[at] : level.wide[at];
}

/// Turns what a level holds into a wider form.
void LaneLevels::widen(Level& level, Form form) {
  allocate(level, form);
  const std::size_t fromCarry = carry_rows(level.form) * per_row(level.form);
  const std::size_t toCarry = carry_rows(form) * per_row(form);
  const std::size_t per = per_row(form);
  for (std::uint32_t group = 0; group < groups_; ++group) {
    for (std::size_t block = 0; block < toCarry + level.filled; ++block) {
      for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
        // Narrower rows round the carry up further: what they have more is older than any lag.
        const std::int64_t value = block + fromCarry < toCarry ? 0 : element(level, group, block + fromCarry - toCarry, lane);
        const std::size_t at = (block / per) * kLanes * per + lane * per + block % per;
        if (form == Form::words) words_of(level, group)[at] = static_cast<std::uint16_t>(value);
        else wide_of(level, group)[at] = value;
      }
    }
  }
  level.form = form;
}

void LaneLevels::correlate_wide(std::uint32_t level, std::uint32_t blocks) {
  const std::size_t at = scheme_->first_delay(level);
  for (std::uint32_t group = 0; group < groups_; ++group) {
    const std::int64_t* now = wide_of(levels_[level], group) + carry_rows(Form::wide) * kLanes;
    for (std::size_t d = at; d < at + scheme_->delays_at(level); ++d) {
      std::int64_t* out = products_ + d * stride_ + group * kLanes;
      const std::int64_t* earlier = now - scheme_->delays[d].lag * kLanes;
      for (std::size_t i = 0; i < std::size_t{blocks} * kLanes; ++i) out[i % kLanes] += now[i] * earlier[i];
    }
  }
}

void LaneLevels::correlate(std::uint32_t level, std::uint32_t blocks) {
  const std::size_t at = scheme_->first_delay(level);
  const std::size_t lags = scheme_->delays_at(level);
  Level& here = levels_[level];
  if (lags == 0 || blocks == 0) return;
  if (here.form == Form::wide) return correlate_wide(level, blocks);
  const std::size_t first = scheme_->delays[at].lag;
  const std::size_t per = per_row(here.form);
  const std::size_t rows = (blocks + per - 1) / per;
  std::array<std::int64_t, kLanes> unwanted{};
  for (std::uint32_t group = 0; group < groups_; ++group) {
    for (std::size_t run = (first - 1) / per; run * per + 1 < first + lags; ++run) {
      LaneOut out{};
      for (std::size_t i = 0; i < per; ++i) {
        const std::size_t lag = run * per + 1 + i;
        const bool wanted = lag >= first && lag < first + lags;
        out[i] = wanted ? products_ + (at + lag - first) * stride_ + group * kLanes : unwanted.data();
      }
      if (here.form == Form::bytes) sums_->bytes(bytes_of(here, group) + carry_rows(Form::bytes) * kRowBytes, rows, run, out);
      else sums_->words(words_of(here, group) + carry_rows(Form::words) * kLanes * kWordsPerRow, rows, run, out);
    }
  }
}

/// Sums of neighbours behind what `to` holds, in its form; returns the largest.
std::uint32_t LaneLevels::halve_into(const Level& from, Level& to, std::size_t rows) {
  std::uint32_t most = 0;
  auto& source = const_cast<Level&>(from);
  for (std::uint32_t group = 0; group < groups_; ++group) {
    const std::size_t at = carry_rows(to.form) + to.filled / per_row(to.form);
    std::uint16_t* words = to.form == Form::words ? words_of(to, group) + at * kLanes * kWordsPerRow : nullptr;
    if (from.form == Form::words) {
      most = std::max(most, sums_->halve_words(words_of(source, group) + carry_rows(Form::words) * kLanes * kWordsPerRow, rows, words));
      continue;
    }
    const std::uint8_t* bytes = bytes_of(source, group) + carry_rows(Form::bytes) * kRowBytes;
    most = std::max(most, words != nullptr ? sums_->halve_to_words(bytes, rows, words) : sums_->halve_bytes(bytes, rows, bytes_of(to, group) + at * kRowBytes));
  }
  return most;
}

void LaneLevels::halve_into_wide(const Level& from, Level& to, std::uint32_t blocks) {
  const std::size_t carry = carry_rows(from.form) * per_row(from.form);
  for (std::uint32_t group = 0; group < groups_; ++group) {
    std::int64_t* out = wide_of(to, group) + (carry_rows(Form::wide) + to.filled) * kLanes;
    for (std::uint32_t i = 0; i < blocks / 2; ++i) {
      for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
        out[i * kLanes + lane] = element(from, group, carry + 2 * i, lane) + element(from, group, carry + 2 * i + 1, lane);
      }
    }
  }
}

/// The next level gets the sums of neighbours, in a form that holds them.
void LaneLevels::halve(std::uint32_t level, std::uint32_t blocks) {
  Level& here = levels_[level];
  Level& next = levels_[level + 1];
  if (next.form < here.form) widen(next, here.form);
  if (next.form != Form::wide) {
    const std::size_t per = per_row(here.form);
    std::size_t rows = (blocks + per - 1) / per;
    if (rows % 2 != 0) clear_row(here, rows++);  // sums come from two rows: a row of zeros behind an odd one
    const std::uint32_t most = halve_into(here, next, rows);
    if (next.form == Form::bytes && most > kLaneByteMax) {
      widen(next, Form::words);
      (void)halve_into(here, next, rows);
    } else if (next.form == Form::words && most > std::uint32_t{kLaneWordMax}) {
      widen(next, Form::wide);
    }
  }
  if (next.form == Form::wide) halve_into_wide(here, next, blocks);
}

void LaneLevels::clear_row(Level& level, std::size_t row) {
  const std::size_t at = carry_rows(level.form) + row;
  for (std::uint32_t group = 0; group < groups_; ++group) {
    if (level.form == Form::bytes) std::fill_n(bytes_of(level, group) + at * kRowBytes, kRowBytes, std::uint8_t{0});
    if (level.form == Form::words) std::fill_n(words_of(level, group) + at * kLanes * kWordsPerRow, kLanes * kWordsPerRow, std::uint16_t{0});
    if (level.form == Form::wide) std::fill_n(wide_of(level, group) + at * kLanes, kLanes, std::int64_t{0});
  }
}

void LaneLevels::clear_block(Level& level, std::uint32_t block) {
  const std::size_t per = per_row(level.form);
  for (std::uint32_t group = 0; group < groups_; ++group) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const std::size_t at = (carry_rows(level.form) + block / per) * kLanes * per + lane * per + block % per;
      if (level.form == Form::bytes) bytes_of(level, group)[at] = 0;
      if (level.form == Form::words) words_of(level, group)[at] = 0;
      if (level.form == Form::wide) wide_of(level, group)[at] = 0;
    }
  }
}

/// The last of the blocks stay, as those that the next ones meet, and what waits behind them.
void LaneLevels::keep_carry(Level& level, std::uint32_t blocks, std::uint32_t waiting) {
  const std::size_t rows = blocks / per_row(level.form);
  const std::size_t carry = carry_rows(level.form) + waiting / per_row(level.form);
  const auto move = [&](auto* group, std::size_t rowElements) { std::memmove(group, group + rows * rowElements, carry * rowElements * sizeof(*group)); };
  for (std::uint32_t group = 0; group < groups_; ++group) {
    if (level.form == Form::bytes) move(bytes_of(level, group), kRowBytes);
    if (level.form == Form::words) move(words_of(level, group), kLanes * kWordsPerRow);
    if (level.form == Form::wide) move(wide_of(level, group), std::size_t{kLanes});
  }
}

void LaneLevels::flush(std::uint32_t level, std::uint32_t blocks, bool last) {
  Level& here = levels_[level];
  correlate(level, blocks);
  const bool coarser = level + 1 < scheme_->levels;
  if (coarser) {
    if (blocks % 2 != 0) clear_block(here, blocks - 1);  // an odd last block has no partner
    make_room(level + 1, blocks / 2);
    halve(level, blocks);
  }
  here.filled = level == base_ ? 0 : here.filled - blocks;
  if (!last) {
    keep_carry(here, blocks, here.filled);
    if (level == base_) {
      for (std::uint32_t group = 0; group < groups_; ++group) {
        std::memset(bytes_of(here, group) + carry_rows(Form::bytes) * kRowBytes, 0, kChunk / kBytesPerRow * kRowBytes);
      }
    }
  }
  if (!coarser) return;
  Level& next = levels_[level + 1];
  next.filled += blocks / 2;
  if (last || next.filled == kChunk) flush(level + 1, next.filled, last);
}

/// Where blocks waited before a part of a series, a chunk may be too full for those that come.
void LaneLevels::make_room(std::uint32_t level, std::uint32_t blocks) {
  const std::uint32_t filled = levels_[level].filled;
  if (filled + blocks > kChunk) flush(level, filled / StreamScheme::kStep * StreamScheme::kStep, false);
}

/// No block that the level holds, of those kept and those of the chunk that have come, has a count.
bool LaneLevels::empty(std::uint32_t level) const {
  const Level& here = levels_[level];
  const std::size_t rows = carry_rows(here.form) + (here.filled + per_row(here.form) - 1) / per_row(here.form);
  const auto zeros = [&](const auto& elements) {
    const std::size_t inGroup = rows_of_group(here.form) * kLanes * per_row(here.form);
    for (std::uint32_t group = 0; group < groups_; ++group) {
      const auto from = elements.begin() + static_cast<std::ptrdiff_t>(group * inGroup);
      if (!std::all_of(from, from + static_cast<std::ptrdiff_t>(rows * kLanes * per_row(here.form)), [](auto element) { return element == 0; })) return false;
    }
    return true;
  };
  return here.form == Form::bytes ? zeros(here.bytes) : here.form == Form::words ? zeros(here.words) : zeros(here.wide);
}

/// Half a chunk of blocks without a count comes to a level above the base.
void LaneLevels::append_empty(std::uint32_t level) {
  constexpr std::uint32_t kBlocks = kChunk / 2;
  make_room(level, kBlocks);
  Level& here = levels_[level];
  const std::size_t per = per_row(here.form);
  for (std::size_t row = here.filled / per; row < (here.filled + kBlocks) / per; ++row) clear_row(here, row);
  here.filled += kBlocks;
  if (here.filled == kChunk) flush(level, kChunk, false);
}

void LaneLevels::flush_empty(std::uint64_t chunks) {
  for (; chunks > 0 && !empty(base_); --chunks) flush();
  // A chunk of a level makes half a chunk of the next. What passes through an empty level leaves it as it is.
  for (std::uint32_t level = base_ + 1; chunks > 0 && level < scheme_->levels; ++level, chunks /= 2) {
    for (; chunks > 0 && (chunks % 2 != 0 || !empty(level)); --chunks) append_empty(level);
  }
}

void LaneLevels::load(std::uint32_t level, const KeptLevel& kept, std::uint32_t waiting) {
  Level& here = levels_[level];
  here.form = kept.form() == KeptLevel::Form::bytes ? Form::bytes : kept.form() == KeptLevel::Form::words ? Form::words : Form::wide;
  here.filled = waiting;
  allocate(here, here.form);
  const std::size_t rows = carry_rows(here.form) + waiting / per_row(here.form);
  const auto copy = [&](auto* to, const std::uint8_t* from, std::size_t element) {
    if (sizeof *to == element) {
      std::memcpy(to, from, rows * kLanes * per_row(here.form) * element);
      return;
    }
    for (std::size_t i = 0; i < rows * kLanes; ++i) {
      std::int32_t count = 0;
      std::memcpy(&count, from + i * sizeof count, sizeof count);
      to[i] = static_cast<std::remove_reference_t<decltype(*to)>>(count);
    }
  };
  const std::size_t element = KeptLevel::element_bytes(kept.form());
  for (std::uint32_t group = 0; group < groups_; ++group) {
    if (here.form == Form::bytes) copy(bytes_of(here, group), kept.group(group), element);
    if (here.form == Form::words) copy(words_of(here, group), kept.group(group), element);
    if (here.form == Form::wide) copy(wide_of(here, group), kept.group(group), element);
  }
}

KeptLevel LaneLevels::keep(std::uint32_t level) {
  Level& here = levels_[level];
  KeptLevel kept(here.form == Form::bytes ? KeptLevel::Form::bytes : here.form == Form::words ? KeptLevel::Form::words : KeptLevel::Form::ints, groups_,
                 static_cast<std::uint32_t>(scheme_->lag_max()));
  for (std::uint32_t group = 0; group < groups_; ++group) {
    std::uint8_t* rows = kept.group(group);
    if (here.form == Form::bytes) std::memcpy(rows, bytes_of(here, group), kept.group_bytes());
    if (here.form == Form::words) std::memcpy(rows, words_of(here, group), kept.group_bytes());
    if (here.form != Form::wide) continue;
    for (std::size_t i = 0; i < kept.rows() * kLanes; ++i) {
      const auto count = static_cast<std::int32_t>(wide_of(here, group)[i]);
      std::memcpy(rows + i * sizeof count, &count, sizeof count);
    }
  }
  return kept;
}

void LaneLevels::wait(std::uint32_t level, std::uint32_t blocks) {
  Level& here = levels_[level];
  here.filled = blocks;
  for (std::size_t row = 0; row < blocks / per_row(here.form); ++row) clear_row(here, row);
}

bool LaneLevels::put(std::uint32_t level, std::int64_t block, std::uint32_t pixel, std::uint32_t count) {
  Level& here = levels_[level];
  const std::size_t per = per_row(here.form);
  const auto at = static_cast<std::size_t>(block + static_cast<std::int64_t>(carry_rows(here.form) * per));
  const std::size_t place = at / per * kLanes * per + pixel % kLanes * per + at % per;
  const auto add = [&](auto& element, std::int64_t most) {
    const std::int64_t sum = std::int64_t{element} + count;
    element = static_cast<std::remove_reference_t<decltype(element)>>(sum <= most ? sum : 0);
    return sum <= most;
  };
  if (here.form == Form::bytes) return add(bytes_of(here, pixel / kLanes)[place], kLaneByteMax);
  if (here.form == Form::words) return add(words_of(here, pixel / kLanes)[place], kLaneWordMax);
  return add(wide_of(here, pixel / kLanes)[place], INT32_MAX);
}

void LaneLevels::settle(std::uint32_t blocks) {
  for (std::uint32_t level = base_; level < scheme_->levels; ++level) {
    const std::uint32_t steps = (level == base_ ? blocks : levels_[level].filled) / StreamScheme::kStep * StreamScheme::kStep;
    if (steps > 0) flush(level, steps, false);
  }
}

}  // namespace xpcs
