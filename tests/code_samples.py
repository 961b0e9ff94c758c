"""The same small program in several languages, and what of it a symbol index lists."""

from typing import NamedTuple


class Sample(NamedTuple):
    text: str
    listed: str


SAMPLES = {
    "a.ts": Sample(
        """\
// The keeper.
export class Keeper extends Person {
  private name = 'x';

  async light(when: number): Promise<boolean> {
    if (when) {
      go(when);
    }
    return true;
  }
}

export const boats = (h: Harbour) => {
  return 3;
};
interface Light {
  on: boolean;
}
export default async function run(
  a: string,
) {
  const inner = () => 1;
}
""",
        """\
export class Keeper extends Person
  async light(when: number): Promise<boolean>
export const boats = (h: Harbour) =>
interface Light
export default async function run(
""",
    ),
    "A.java": Sample(
        """\
package a;

public final class Keeper extends Person {
    @Override
    public boolean light(int when) throws Dark {
        return call(when);
    }

    private static <T> List<T> boats() {
        return null;
    }
}
""",
        """\
public final class Keeper extends Person
  public boolean light(int when) throws Dark
  private static <T> List<T> boats()
""",
    ),
    "a.c": Sample(
        """\
#include "a.h"

struct light {
  int on;
};

int count(void);

static int
boats(struct light *l,
      int n)
{
#ifdef X
  go(n);
#endif
out:
  return 3;
}

int main(int argc, char **argv) {
  return boats(0, 1);
}
""",
        """\
struct light
boats(struct light *l,
int main(int argc, char **argv)
""",
    ),
    "a.go": Sample(
        """\
package a

type Keeper struct {
\tname string
}

func (k *Keeper) Light(when int) bool {
\treturn true
}

func boats() int { return 3 }
""",
        """\
type Keeper struct
func (k *Keeper) Light(when int) bool
func boats() int { return 3 }
""",
    ),
    "a.rs": Sample(
        """\
pub struct Keeper {
    name: String,
}

impl Keeper {
    /// Lights it.
    pub fn light(&self) -> bool {
        true
    }
}

fn boats() -> u8 {
    3
}
""",
        """\
pub struct Keeper
impl Keeper
  pub fn light(&self) -> bool
fn boats() -> u8
""",
    ),
    "a.rb": Sample(
        """\
module Harbour
  class Keeper < Person
    def light?(at)
      true
    end
  end
end
""",
        """\
module Harbour
  class Keeper < Person
    def light?(at)
""",
    ),
    "a.php": Sample(
        """\
<?php
namespace a;

abstract class Keeper implements Person
{
    public function light($when)
    {
        return go($when);
    }
}
""",
        """\
abstract class Keeper implements Person
  public function light($when)
""",
    ),
    "a.cs": Sample(
        """\
namespace Harbour
{
    public class Keeper : Person
    {
        public async Task<bool> Light(int at)
        {
            return Go(at);
        }
    }
}
""",
        """\
namespace Harbour
  public class Keeper : Person
    public async Task<bool> Light(int at)
""",
    ),
    "a.kt": Sample(
        """\
data class Keeper(val name: String) {
    suspend fun light(at: Int): Boolean {
        return true
    }
}

fun boats() = 3
""",
        """\
data class Keeper(val name: String)
  suspend fun light(at: Int): Boolean
fun boats() = 3
""",
    ),
    "a.swift": Sample(
        """\
struct Keeper: Person {
    init(name: String) {
        self.name = name
    }
    func light() -> Bool {
        true
    }
}
""",
        """\
struct Keeper: Person
  init(name: String)
  func light() -> Bool
""",
    ),
    "a.sh": Sample(
        """\
set -e

boats() {
  echo 3
}

function light {
  boats
}
""",
        """\
boats()
function light
""",
    ),
}
