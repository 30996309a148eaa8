"""Edits of Python source: of each kind that changes no result, and real ones."""

import ast

WORDS = "in other words"
MESSAGES = ("fix", "help")


def comment(text):
    """A comment more at the start and at the end."""
    return f"# a word\n{text}\n# a word more\n"


def layout(text):
    """The same code, laid out by another hand and without comments."""
    return ast.unparse(ast.parse(text))


def docstrings(text):
    """Other docstrings, and one more where there is none."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body[: _is_docstring(node.body[0])] = [_said()] if node.body else []
    return ast.unparse(tree)


def errors(text):
    """Other words of errors, and other things that an InputError names."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        call = node.exc if isinstance(node, ast.Raise) else node
        if isinstance(call, ast.Call) and _name(call) == "InputError":
            call.args, call.keywords = [_text()], [ast.keyword("found", ast.Constant(7))]
        elif isinstance(node, ast.Raise) and isinstance(call, ast.Call):
            call.args = [_text() if _is_text(value) else value for value in call.args]
    return ast.unparse(tree)


def logging(text):
    """Other words in the log, and a line more in every function, where there is none yet too."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _logs(node):
            node.args = [_text()]
        elif isinstance(node, ast.FunctionDef):
            node.body.insert(_is_docstring(node.body[0]), ast.parse(f"log.info('{WORDS}')").body[0])
    start = "import logging\nlog = logging.getLogger('dynmm')"
    tree.body[_is_docstring(tree.body[0]) : 0] = ast.parse(start).body
    return ast.unparse(tree)


def help_texts(text):
    """Other words of --help."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in MESSAGES:
            node.value = _text()
    return ast.unparse(tree)


def version(text):
    """Another `__version__`."""
    return text.replace("__version__ = ", "__version__ = '99' + ")


SILENT = (comment, layout, docstrings, errors, logging, help_texts, version)


def real(text):
    """One constant, operator or name changed, the first that no message has; None without any."""
    tree = ast.parse(text)
    for change in (_other_number, _other_comparison, _other_operator, _other_text, _other_name):
        if any(change(node) for node in _doing(tree)):
            return ast.unparse(tree)
    return None


def renamed_constants(text):
    """(name, text) for every named text of a module of constants, each changed alone."""
    for place, node in enumerate(ast.parse(text).body):
        if isinstance(node, ast.Assign):
            tree = ast.parse(text)
            changed = tree.body[place]
            for target in ast.walk(changed):
                if isinstance(target, ast.Constant):
                    target.value = f"{target.value}x"
            names = [each.id for t in node.targets for each in ast.walk(t) if hasattr(each, "id")]
            if ast.dump(changed) != ast.dump(node):
                yield names, ast.unparse(tree)


def _doing(node):
    """The nodes of a tree but for docstrings, log lines, and what errors and --help say."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and (_is_docstring(child) or _logs(child.value)):
            continue
        if isinstance(child, ast.Raise) or (
            isinstance(child, ast.Call) and _name(child) == "InputError"
        ):
            continue
        if isinstance(child, ast.keyword) and child.arg in MESSAGES:
            continue
        if isinstance(child, ast.Assign) and _is_text(child.value):
            continue  # it may be the words of an error
        yield child
        yield from _doing(child)


def _other_number(node):
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        node.value += 1
        return True
    return False


def _other_comparison(node):
    swapped = {ast.Lt: ast.LtE, ast.Gt: ast.GtE, ast.Eq: ast.NotEq, ast.Is: ast.IsNot}
    swapped |= {ast.In: ast.NotIn, ast.LtE: ast.Lt, ast.GtE: ast.Gt, ast.IsNot: ast.Is}
    if isinstance(node, ast.Compare) and type(node.ops[0]) in swapped:
        node.ops[0] = swapped[type(node.ops[0])]()
        return True
    return False


def _other_operator(node):
    if isinstance(node, ast.BinOp):
        node.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        return True
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        node.value = not node.value
        return True
    return False


def _other_text(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        node.value += "x"
        return True
    return False


def _other_name(node):
    if isinstance(node, ast.Attribute):
        node.attr += "x"
        return True
    return False


def _said():
    return ast.Expr(_text())


def _text():
    return ast.Constant(WORDS)


def _is_docstring(node):
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_text(node):
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _name(call):
    return call.func.id if isinstance(call.func, ast.Name) else None


def _logs(node):
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "log"
    )
